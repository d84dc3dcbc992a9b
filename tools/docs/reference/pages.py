"""The pages of docs/reference: one for each service, and one for the management port that all services have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from shop_contracts.contracts import Contracts
from tools.docs.reference.events import received, sent
from tools.docs.reference.markdown import code
from tools.docs.reference.routes import routes

MANAGEMENT = "management"
KEPT = ("README.md", "metrics.md")
"""The pages of the folder that people write."""
NOTE = "`make docs` writes this page from [contracts/](../../contracts/README.md). Change the code, not the page."


def write(contracts: Contracts, folder: Path) -> None:
    """Write all pages into a folder. Pages of services that are gone are deleted. Raises UserError."""
    written = pages(contracts)
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.md"):
        if file.name not in KEPT and file.stem not in written:
            file.unlink()
    for name, text in written.items():
        (folder / f"{name}.md").write_text(text)


def pages(contracts: Contracts) -> dict[str, str]:
    """Name → the text of each page. Raises UserError if a file of contracts/ is missing or damaged."""
    services = sorted(file.stem for file in (contracts.folder / "asyncapi").glob("*.yaml"))
    found = {service: _service(contracts, service, services) for service in services}
    return {**found, MANAGEMENT: _management(contracts, services)}


def _service(contracts: Contracts, service: str, services: list[str]) -> str:
    document = openapi(contracts, service)
    return _joined(
        [
            f"# {service}: events and HTTP routes",
            NOTE,
            f"The code and its reasons: [services/{service}](../../services/{service}/README.md). "
            f"Probes, metrics and dead letters: [management port]({MANAGEMENT}.md).",
            *sent(contracts, service, services),
            *received(contracts, service, services),
            *routes(contracts, [service], document),
        ]
    )


def _management(contracts: Contracts, services: list[str]) -> str:
    return _joined(
        [
            "# The management port of each service",
            NOTE,
            f"Each service answers these routes on a port of its own: {', '.join(map(code, services))} "
            "([why](../decisions/0032-management-has-a-port-of-its-own.md)).",
            *routes(contracts, services, openapi(contracts, MANAGEMENT)),
        ]
    )


def openapi(contracts: Contracts, name: str) -> Mapping[str, Any]:
    """The OpenAPI document of a service, or that of the management port."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: Mapping[str, Any] = yaml.load(
        (contracts.folder / "openapi" / f"{name}.yaml").read_text(), loader
    )
    return document


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
