"""The HTTP APIs as schemathesis gets them: the operations that one role may call, with values that the shop knows."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shop_load.open_loop import SKUS
from shop_stack import logins, paths
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES
from shop_stack.process import run
from shop_stack.target import Target

MANAGEMENT = "management"
"""The document of the admin API, which each service has."""
CUSTOMER = "fuzz"
"""The login name of the customer."""
KNOWN: Mapping[str, Sequence[Any]] = {
    "sku": SKUS,
    "currency": ("EUR",),
    "payment_token": ("tok_ok", "tok_declined"),
}
"""Field or parameter → values with which a request has an effect. Others are generated as well."""
METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})
TOKEN = "SHOP_FUZZ_TOKEN"
"""The variable that has the token. A command line could be read by other users."""
CONFIG = f'headers = {{ Authorization = "Bearer ${{{TOKEN}}}" }}\n'
REQUEST_SECONDS = "30"
SERVER_ERROR = 500
NO_ANSWER = 0


@dataclass(frozen=True)
class Api:
    """The operations of one document that one role may call, at one service."""

    service: str
    role: str
    document: Mapping[str, Any]
    is_management: bool = False

    @property
    def name(self) -> str:
        return f"{self.service}/{'admin' if self.is_management else self.role}"

    @property
    def operations(self) -> int:
        """The number of its operations."""
        return sum(1 for _ in _operations(self.document))

    def url(self, target: Target) -> str:
        urls = target.management_urls if self.is_management else target.service_urls
        return urls[self.service]

    def token(self, target: Target) -> str:
        """A token of its role. Raises UserError if the issuer gives none."""
        return logins.token(target.issuer, CUSTOMER if self.role == "customer" else self.role)


@dataclass(frozen=True)
class Failure:
    """A request without an answer, or with an answer of 5xx."""

    api: str
    method: str
    path: str
    body: str
    status: int
    """0 if there was no answer."""

    @property
    def size(self) -> int:
        return len(self.path) + len(self.body)


@dataclass(frozen=True)
class Answers:
    """The answers of one API to the requests of one run of schemathesis."""

    statuses: Counter[int]
    failures: Sequence[Failure]


def apis_of(contracts: Path) -> list[Api]:
    """Every API with each role that is the first to have a right in it. The admin API is there once per service."""
    found = []
    for name in (*SERVICES, MANAGEMENT):
        document = yaml.safe_load((contracts / "openapi" / f"{name}.yaml").read_text())
        for role in sorted({_role(operation) for _, _, operation in _operations(document)}):
            part = _with_known_values(_of_role(document, role))
            if name == MANAGEMENT:
                found += [Api(service, role, part, is_management=True) for service in SERVICES]
            else:
                found.append(Api(name, role, part))
    return found


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield path, method, operation


def _role(operation: Mapping[str, Any]) -> str:
    role: str = operation["security"][0]["bearer"][0]
    return role


def _of_role(document: Mapping[str, Any], role: str) -> dict[str, Any]:
    """A copy with the operations of one role."""
    paths_: dict[str, Any] = {}
    for path, method, operation in _operations(document):
        if _role(operation) == role:
            paths_.setdefault(path, {})[method] = operation
    return deepcopy({**document, "paths": paths_})


def _with_known_values(part: Any) -> Any:
    """The document, in which each known field or parameter may also be one of its known values."""
    if isinstance(part, list):
        return [_with_known_values(one) for one in part]
    if not isinstance(part, dict):
        return part
    changed = {name: _with_known_values(one) for name, one in part.items()}
    if isinstance(properties := changed.get("properties"), dict):
        changed["properties"] = {name: _known(name, schema) for name, schema in properties.items()}
    if "in" in changed and "schema" in changed:
        changed["schema"] = _known(changed["name"], changed["schema"])
    return changed


def _known(name: str, schema: Any) -> Any:
    return {"anyOf": [{"enum": list(KNOWN[name])}, schema]} if name in KNOWN else schema


async def ask(api: Api, target: Target, seed: int, examples: int, folder: Path) -> Answers:
    """Run schemathesis over an API, with `examples` requests of each kind. `folder` is for its files.

    Raises UserError if schemathesis is not installed or ends without a report.
    """
    folder.mkdir(parents=True)
    (folder / "api.json").write_text(json.dumps(api.document))
    (folder / "schemathesis.toml").write_text(CONFIG)
    report = folder / "report.ndjson"
    options = [
        *("--url", api.url(target), "--checks", "not_a_server_error", "--continue-on-failure"),
        *("--seed", str(seed), "--max-examples", str(examples), "--request-timeout", REQUEST_SECONDS),
        *(
            "--generation-database",
            "none",
            "--suppress-health-check",
            "all",
            "--warnings",
            "off",
            "--no-color",
        ),
        *("--report", "ndjson", "--report-ndjson-path", str(report)),
    ]
    environment = {**os.environ, TOKEN: await asyncio.to_thread(api.token, target)}
    argv = [str(program()), "--config-file", "schemathesis.toml", "run", "api.json", *options]
    code, output = await run(argv, env=environment, cwd=folder)
    if code not in (0, 1) or not report.exists():
        raise UserError(f"schemathesis ended with code {code} at {api.name}: {output[-600:]}")
    return read_answers(api.name, report)


def program() -> Path:
    """The program of schemathesis. Raises UserError if `make fuzz-environment` has not been run."""
    file = paths.shop_folder() / "fuzz" / "environment" / "bin" / "schemathesis"
    if not file.exists():
        raise UserError("schemathesis is not installed: run `make fuzz-environment`.")
    return file


def read_answers(api: str, report: Path) -> Answers:
    """Count all answers in a report, and keep the requests that failed.

    The report is read instead of the program's verdict, so that each answer counts and not only each check.
    """
    statuses: Counter[int] = Counter()
    failures: list[Failure] = []
    with report.open() as lines:
        for line in lines:
            scenario = json.loads(line).get("ScenarioFinished")
            for one in ((scenario or {}).get("recorder") or {}).get("interactions", {}).values():
                answer = one.get("response")
                status = answer["status_code"] if answer else NO_ANSWER
                statuses[status] += 1
                if status == NO_ANSWER or status >= SERVER_ERROR:
                    failures.append(_failure(api, one["request"], status))
    return Answers(statuses, failures)


def _failure(api: str, request: Mapping[str, Any], status: int) -> Failure:
    _, _, path = request["uri"].partition("://")[2].partition("/")
    body = base64.b64decode((request.get("body") or {}).get("$base64", "")).decode(errors="replace")
    return Failure(api, request["method"], f"/{path}", body, status)
