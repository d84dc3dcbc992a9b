"""What the check of a lab says when the reader ends early."""

from collections.abc import Mapping

MISSING: Mapping[str, Mapping[str, str]] = {
    "add-a-field": {
        "Begin": "no notification-sent without `language` was sent",
        "Ask who reads the event, and send an old one": "0 new releases of notifications are in the last commit",
        "The wrong way: require it": "0 new releases of notifications are in the last commit",
        "Release it": "no notification-sent with `language` was sent",
    },
    "remove-a-field": {
        "Begin": "no notification-sent without `accepted_at` was sent",
        "Ask who reads the field": "0 new releases of notifications are in the last commit",
        "The wrong way: remove it": "0 new releases of notifications are in the last commit",
        "Expand: send the successor beside it": "0 new releases of analytics are in the last commit",
    },
    "split-a-column": {
        "Begin": "0 new releases of notifications are in the last commit, and the lab needs 3",
        "The wrong way: rename it in one step": "0 new releases of notifications",
        "First release: write the old column and the new ones": "1 new releases of notifications",
        "The wrong way: remove the old column at once": "1 new releases of notifications",
        "Second release: write and read the new columns alone": "2 new releases of notifications",
    },
    "deploy-the-consumer-first": {
        "Begin": "no notification-sent without `language` was sent",
        "The contract comes first": "0 new releases of analytics",
        "The wrong way: rely on the field": "and not 0.9.0: `shop deploy analytics 0.9.0`",
        "The right way: read it where it is": "0 new releases of notifications",
    },
    "roll-back-with-messages-in-flight": {
        "Begin": "0 new releases of notifications",
        "Release a fault": "notifications has given up on no message yet",
        "The wrong way: deploy it all the same": "notifications still runs 0.9.0",
        "The right way: roll back, while orders arrive": "open dead letters",
    },
}
"""Lab → section → what is missing when the reader ends there."""
