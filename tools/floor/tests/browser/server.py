"""The page's server as `shop floor` runs it, for a shop of which Kafka alone is real. The measurement starts it.

python -m tools.floor.tests.browser.server FILE

FILE has the address of Kafka, those of the services and the port. Each link is written into FILE.link. This process
imports what the command imports and nothing else: its memory is measured.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import shop.commands.floor  # noqa: F401  # the memory of the command is measured
from shop_floor.serving import serve
from shop_stack import logins
from shop_stack.kafka_access import KafkaAccess
from shop_stack.paths import contracts
from shop_stack.target import Target


def main() -> None:
    """Serve until SIGTERM."""
    file = Path(sys.argv[1])
    facts = json.loads(file.read_text())
    access = KafkaAccess(**facts["kafka"])
    folder = file.parent
    target = Target("embedded", facts["urls"], facts["urls"], "", access, {}, folder, contracts(), folder)
    logins.kept = lambda issuer, who: "a token that the played services do not read"

    def tell(line: str) -> None:
        link = file.with_suffix(".new")
        link.write_text(line.rpartition(" ")[2])
        link.rename(file.with_suffix(".link"))

    serve(target, facts["port"], tell)


if __name__ == "__main__":
    main()
