"""The floor as one container of the shop: `python -m shop_floor.inside`.

It reads the same addresses as the other containers, with the logins `oracle` (Kafka) and `operator` (services), and
knows no database. What needs the repository, a database or processes is left to `shop floor` on a person's machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from shop_floor.serving import serve
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.passwords import ISSUER_CLIENTS
from shop_stack.ports import SERVICES
from shop_stack.target import Issuer, Target

INSIDE = "inside"
"""The name of this target."""
PORT = 8000
STATE = Path("/data")
"""The histories of orders that were placed on the page."""


def target_of(environment: Mapping[str, str], contracts: Path, state: Path) -> Target:
    """The shop that this container is a part of. Raises UserError if a variable is missing."""
    try:
        service, management = environment["FLOOR_SERVICE_URL"], environment["FLOOR_MANAGEMENT_URL"]
        cafile = environment["KAFKA_SSL_CAFILE"]
        # The login is no secret of the issuer's clients that this program does not use.
        secrets = {name: environment.get(f"ISSUER_{name.upper()}_SECRET", "") for name in ISSUER_CLIENTS}
        return Target(
            name=INSIDE,
            service_urls={name: service.format(name) for name in SERVICES},
            management_urls={name: management.format(name) for name in SERVICES},
            processor_url="",
            kafka=KafkaAccess(
                environment["KAFKA_BOOTSTRAP_SERVERS"],
                environment["KAFKA_SASL_USERNAME"],
                environment["KAFKA_SASL_PASSWORD"],
                cafile=Path(cafile) if cafile else None,
            ),
            database_urls={},
            spans=state / "spans",
            contracts=contracts,
            state=state,
            issuer=Issuer(environment["ISSUER_URL"], secrets),
        )
    except KeyError as error:
        raise UserError(f"The variable {error.args[0]} is missing: see docker-compose.yml.") from None


def main() -> None:
    """Serve until SIGTERM. Each link is a line of the log."""
    try:
        target = target_of(os.environ, Path(os.environ.get("FLOOR_CONTRACTS", "/app/contracts")), STATE)
        published = int(os.environ.get("FLOOR_PORT", PORT))
        # In a container of Compose the browser's requests come from the address of the network's gateway.
        serve(
            target, published, print, listen=("0.0.0.0", PORT), anyone=os.environ.get("FLOOR_ANYONE") == "1"
        )
    except UserError as error:
        sys.exit(f"floor: {error}")


if __name__ == "__main__":
    main()
