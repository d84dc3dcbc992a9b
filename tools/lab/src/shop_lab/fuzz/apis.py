"""The HTTP APIs as schemathesis gets them: the operations that one role may call, with values that the shop knows."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from shop_lab.fuzz.known_values import KNOWN, with_known_values
from shop_stack import logins, paths
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES
from shop_stack.process import run
from shop_stack.target import Target

MANAGEMENT = "management"
"""The document of the admin API, which each service has."""
CUSTOMER = "fuzz"
"""The login name of the customer."""
PLACE = "POST /orders"
"""The operation that places an order."""
METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})
TOKEN = "SHOP_FUZZ_TOKEN"
"""The variable that has the token. A command line could be read by other users."""
CONFIG = f'headers = {{ Authorization = "Bearer ${{{TOKEN}}}" }}\n'
REQUEST_SECONDS = "30"
SUCCESS = 200
REDIRECT = 300
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
        return len(self.operation_names)

    @property
    def operation_names(self) -> list[str]:
        """Its operations, such as `POST /orders`."""
        return [f"{method.upper()} {path}" for path, method, _ in _operations(self.document)]

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
    carried_out: Counter[str] = field(default_factory=Counter)
    """Operation, such as `POST /orders` → number of answers of 2xx."""


def apis_of(contracts: Path, orders: Sequence[str] = ()) -> list[Api]:
    """Every API with each role that is the first to have a right in it. The admin API is there once per service.

    `orders` are ids of orders of CUSTOMER, which requests may name.
    """
    known = {**KNOWN, **({"order_id": orders} if orders else {})}
    found = []
    for name in (*SERVICES, MANAGEMENT):
        document = yaml.safe_load((contracts / "openapi" / f"{name}.yaml").read_text())
        for role in sorted({_role(operation) for _, _, operation in _operations(document)}):
            part = with_known_values(_of_role(document, role), known)
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
    carried_out: Counter[str] = Counter()
    with report.open() as lines:
        for operation, one in _interactions(lines):
            answer = one.get("response")
            status = answer["status_code"] if answer else NO_ANSWER
            statuses[status] += 1
            if status == NO_ANSWER or status >= SERVER_ERROR:
                failures.append(_failure(api, one["request"], status))
            elif SUCCESS <= status < REDIRECT:
                carried_out[operation] += 1
    return Answers(statuses, failures, carried_out)


def _interactions(lines: Iterable[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(operation, request and answer) of a report. The operation is empty where the report does not name it."""
    for line in lines:
        recorder = (json.loads(line).get("ScenarioFinished") or {}).get("recorder") or {}
        cases = recorder.get("cases", {})
        for id_, one in recorder.get("interactions", {}).items():
            case = cases.get(id_, {}).get("value", {})
            yield f"{case['method']} {case['path']}" if case else "", one


def _failure(api: str, request: Mapping[str, Any], status: int) -> Failure:
    _, _, path = request["uri"].partition("://")[2].partition("/")
    body = base64.b64decode((request.get("body") or {}).get("$base64", "")).decode(errors="replace")
    return Failure(api, request["method"], f"/{path}", body, status)
