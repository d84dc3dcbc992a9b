"""The rules of change of contracts/README.md that the gate enforces, each with its way out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """`name` is for programs, `says` is the rule as a sentence, `way_out` is the cure."""

    name: str
    says: str
    way_out: str


REMOVED = Rule(
    "removed",
    "Within a version, a property is never removed or renamed.",
    "Publish it as before. A new name is one more property beside it, with its date in `x-optional`. "
    "An event without the old property is a new version (v2), published beside this one.",
)
STILL_READ = Rule(
    "still-read",
    "An optional property may go when no consumer reads it.",
    "Put it back. Remove it when the named consumers do not read it any more, and their expectations say so.",
)
NEEDS_DATE = Rule(
    "needs-date",
    "A new property is optional, with its date in `x-optional`, as long as messages without it may exist.",
    "Take it out of `required` and list it in `x-optional` with the date from which each message has it.",
)
TOO_EARLY = Rule(
    "required-too-early",
    "A property may become required when no topic, outbox or dead letter has a message without it.",
    "Leave it in `x-optional` until then.",
)
MADE_OPTIONAL = Rule(
    "made-optional",
    "A required property stays required within a version.",
    "Put it back into `required`, and send it in each message. An event without it is a new version (v2).",
)
WIDER = Rule(
    "wider-values",
    "Within a version, the values that are sent do not become wider, because old readers refuse them.",
    "Go back to the released limits, or send the wider value in one more property with its date in `x-optional`.",
)
FORMAT = Rule(
    "format",
    "The format and the pattern of a property never change within a version.",
    "Go back to the released one. A value of another form is one more property, or a new version (v2).",
)
LIST_GREW = Rule(
    "list-grew",
    "A list of values may grow only if its released text says so with `x-extensible-enum`.",
    "Send only the released values. An open list is one more property, or a new version (v2).",
)
LIST_SHRANK = Rule(
    "list-shrank",
    "A value that was released stays in its list, because old messages have it.",
    "Put it back into the list. The owner may stop sending it.",
)
OLD_MESSAGE = Rule(
    "old-message",
    "Each message that a topic, an outbox or a dead letter may still hold fits today's text.",
    "Let the schema accept what was released. The owner may send less than the schema allows.",
)
MOVED = Rule(
    "moved",
    "A released event stays on its topic, with its key and its cleanup policy.",
    "Put it back in contracts/topics.yaml. An event on another topic or key is a new version (v2).",
)
FEWER_PARTITIONS = Rule(
    "fewer-partitions",
    "The partitions of a topic never become fewer, because keys would move and lose their order.",
    "Put the former number back in contracts/topics.yaml.",
)
WITHDRAWN = Rule(
    "withdrawn",
    "An event is published until no consumer reads it.",
    "Put the event back into contracts/topics.yaml, with its schema. Publish it beside its next version until the "
    "named consumers do not handle it any more.",
)
X_OPTIONAL = Rule(
    "x-optional",
    "`x-optional` names each property that is not required, with the date from which each message has it.",
    'Write it as an object, such as "x-optional": {"placed_at": "2026-12-01"}.',
)
API = Rule(
    "http-api",
    "An HTTP API answers each request that it answered in its last release, with the answer that it promised.",
    "Keep the old form beside the new one, mark it `deprecated`, and remove it when no consumer uses it any more.",
)
