"""The issuer's audit lines: acts with who and outcome, refusals with their number, and no name, secret or token."""

import json
from typing import Any

import httpx
import pytest

from tools.issuer.tests.conftest import SECRETS, USERS, Clock

FILTER = {"filter": 'userName eq "grace"'}


async def token_of(issuer: httpx.AsyncClient, client: str, audience: str, subject: str) -> str:
    form = {"grant_type": "client_credentials", "audience": audience, "subject": subject}
    answer = await issuer.post("/token", data=form, auth=(client, SECRETS[client]))
    return str(answer.json()["access_token"])


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_an_erased_customer_and_new_keys_have_a_line_with_who_did_it(
    issuer: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await token_of(issuer, "storefront", "orders", "grace")
    login = {"Authorization": f"Bearer {await token_of(issuer, 'operator', 'directory', 'ada')}"}
    found = await issuer.post(f"{USERS}/.search", json=FILTER, headers=login)
    pseudonym = found.json()["Resources"][0]["id"]
    for _ in range(2):
        await issuer.delete(f"{USERS}/{pseudonym}", headers=login)
    await issuer.post("/keys/rotate", data={"subject": "bob"}, auth=("operator", SECRETS["operator"]))
    await issuer.post("/keys/rotate", auth=("operator", SECRETS["operator"]))
    told = [
        (line["event"], line["who"], line["method"], line["route"], line["outcome"])
        for line in lines_of(capsys)
    ]
    assert told == [
        ("audit.act", "operator:ada", "POST", f"{USERS}/.search", "200"),
        ("audit.act", "operator:ada", "DELETE", f"{USERS}/{{id}}", "204"),
        ("audit.act", "operator:ada", "DELETE", f"{USERS}/{{id}}", "404"),
        ("audit.act", "operator:bob", "POST", "/keys/rotate", "200"),
        ("audit.act", "operator", "POST", "/keys/rotate", "200"),
    ]


async def test_refusals_of_one_reason_have_a_line_a_minute_with_their_number(
    issuer: httpx.AsyncClient, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(100):
        await issuer.post("/token", data={"grant_type": "client_credentials"}, auth=("operator", "guessed"))
    await issuer.delete(f"{USERS}/cus_1")
    clock.now += 61
    await issuer.post("/token", data={"grant_type": "client_credentials"}, auth=("operator", "guessed"))
    told = [(line["event"], line["who"], line["reason"], line["refusals"]) for line in lines_of(capsys)]
    assert told == [
        ("audit.refused", "", "invalid_client", 1),
        ("audit.refused", "", "directory-401", 1),
        ("audit.refused", "", "invalid_client", 100),
    ]


async def test_no_line_has_a_login_name_a_pseudonym_a_secret_or_a_token(
    issuer: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await token_of(issuer, "storefront", "orders", "grace")
    operator, clerk = [await token_of(issuer, who, "directory", "ada") for who in ("operator", "clerk")]
    login = {"Authorization": f"Bearer {operator}"}
    pseudonym = (await issuer.post(f"{USERS}/.search", json=FILTER, headers=login)).json()["Resources"][0][
        "id"
    ]
    for headers in (login, {"Authorization": f"Bearer {clerk}"}, {"Authorization": "Bearer grace"}):
        await issuer.post(f"{USERS}/.search", json=FILTER, headers=headers)
        await issuer.delete(f"{USERS}/{pseudonym}", headers=headers)
    await issuer.post("/token", data={"subject": "grace"}, auth=("grace", "guessed"))
    printed = capsys.readouterr().out
    assert printed.count("audit.act") == 3
    secrets = ("grace", pseudonym, operator, clerk, "guessed", *SECRETS.values())
    assert [text for text in secrets if text in printed] == []
