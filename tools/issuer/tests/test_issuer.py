"""The issuer: who gets a token, what is in it, and how keys follow each other."""

import json
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from issuer.keys import KeysDamaged
from issuer.main import create_app
from issuer.settings import SettingMissing, Settings, from_environment
from tools.issuer.tests.conftest import Clock

SECRETS = {
    "storefront": "s-secret",
    "clerk": "c-secret",
    "operator": "o-secret",
    "notifications": "n-secret",
}
PSEUDONYM = re.compile("cus_[0-9a-f]{24}")
URL = "http://issuer.test"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings("127.0.0.1", 0, URL, tmp_path / "keys.json", tmp_path / "customers.sqlite3", SECRETS)


@pytest.fixture
async def issuer(settings: Settings, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings, clock) as client:
        yield client


@asynccontextmanager
async def client_of(settings: Settings, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, clock)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=URL) as client,
    ):
        yield client


async def ask(issuer: httpx.AsyncClient, client: str = "storefront", **changes: Any) -> httpx.Response:
    form = {"grant_type": "client_credentials", "audience": "orders payments"}
    if client == "storefront":
        form["subject"] = "c-ada"
    return await issuer.post("/token", data=form | changes, auth=(client, SECRETS[client]))


async def claims_of(issuer: httpx.AsyncClient, text: str) -> dict[str, Any]:
    """The claims of a token whose signature is right, by the keys that are published now."""
    keys = KeySet.import_key_set((await issuer.get("/keys")).json())
    return jwt.decode(text, keys, algorithms=["ES256"]).claims


async def test_the_discovery_document_names_the_keys_and_the_token_endpoint(
    issuer: httpx.AsyncClient,
) -> None:
    document = (await issuer.get("/.well-known/openid-configuration")).json()
    assert document["issuer"] == URL
    assert document["jwks_uri"] == f"{URL}/keys"
    assert document["token_endpoint"] == f"{URL}/token"


async def test_a_token_names_its_customer_by_a_pseudonym_its_role_and_its_audiences(
    issuer: httpx.AsyncClient, clock: Clock
) -> None:
    answer = await ask(issuer)
    body = answer.json()
    assert (answer.status_code, body["token_type"], body["expires_in"]) == (200, "Bearer", 3600)
    assert answer.headers["cache-control"] == "no-store"
    claims = await claims_of(issuer, body["access_token"])
    assert claims.pop("jti")
    assert PSEUDONYM.fullmatch(claims.pop("sub"))
    assert "ada" not in json.dumps(claims)
    now = int(clock.now)
    assert claims == {
        "iss": URL,
        "aud": ["orders", "payments"],
        "client_id": "storefront",
        "roles": ["customer"],
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
    }


async def subject_of(issuer: httpx.AsyncClient, login: str) -> str:
    answer = await ask(issuer, subject=login)
    return str((await claims_of(issuer, answer.json()["access_token"]))["sub"])


async def test_a_customer_keeps_the_pseudonym_and_another_customer_has_another(
    issuer: httpx.AsyncClient,
) -> None:
    ada = await subject_of(issuer, "c-ada")
    assert await subject_of(issuer, "c-ada") == ada
    assert await subject_of(issuer, "c-bob") != ada


async def test_tokens_of_notifications_are_for_the_directory_alone(issuer: httpx.AsyncClient) -> None:
    answer = await ask(issuer, "notifications", audience="directory")
    claims = await claims_of(issuer, answer.json()["access_token"])
    assert (claims["sub"], claims["roles"]) == ("notifications", ["addresses"])
    answer = await ask(issuer, "notifications", audience="directory orders")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


@pytest.mark.parametrize("client", ["clerk", "operator"])
async def test_a_clerk_and_an_operator_get_tokens_of_their_own(
    issuer: httpx.AsyncClient, client: str
) -> None:
    claims = await claims_of(issuer, (await ask(issuer, client)).json()["access_token"])
    assert (claims["sub"], claims["roles"]) == (client, [client])


@pytest.mark.parametrize("client", ["clerk", "operator"])
async def test_a_person_who_acts_as_clerk_or_operator_is_in_the_subject(
    issuer: httpx.AsyncClient, client: str
) -> None:
    claims = await claims_of(issuer, (await ask(issuer, client, subject="ada")).json()["access_token"])
    assert (claims["sub"], claims["roles"]) == (f"{client}:ada", [client])


async def test_a_client_may_send_its_secret_in_the_form(issuer: httpx.AsyncClient) -> None:
    form = {"grant_type": "client_credentials", "audience": "orders", "client_id": "clerk"}
    assert (await issuer.post("/token", data=form | {"client_secret": "c-secret"})).status_code == 200


@pytest.mark.parametrize(
    ("name", "secret"),
    [("clerk", "o-secret"), ("clerk", ""), ("nobody", ""), ("nobody", "c-secret"), ("", ""), ("clerk", "é")],
)
async def test_a_wrong_secret_gets_no_token(issuer: httpx.AsyncClient, name: str, secret: str) -> None:
    form = {"grant_type": "client_credentials", "audience": "orders"}
    answer = await issuer.post("/token", data=form, auth=(name, secret))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" in answer.headers


@pytest.mark.parametrize(
    ("client", "changes", "status", "error"),
    [
        ("storefront", {"subject": ""}, 400, "invalid_request"),
        ("storefront", {"subject": "a\nb"}, 400, "invalid_request"),
        ("storefront", {"subject": "a" * 65}, 400, "invalid_request"),
        ("storefront", {"subject": "cus_0123"}, 400, "invalid_request"),
        ("clerk", {"subject": "c-ada"}, 400, "invalid_request"),
        ("operator", {"subject": "Ada"}, 400, "invalid_request"),
        ("operator", {"subject": "a" * 33}, 400, "invalid_request"),
        ("notifications", {"subject": "ada", "audience": "directory"}, 403, "unauthorized_client"),
        ("clerk", {"audience": ""}, 400, "invalid_target"),
        ("clerk", {"audience": "orders http://x"}, 400, "invalid_target"),
        ("clerk", {"audience": " ".join("a" * 31)}, 400, "invalid_target"),
        ("clerk", {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ("clerk", {"audience": ["orders", "payments"]}, 400, "invalid_request"),
        ("clerk", {"more": "x" * 20_000}, 413, "invalid_request"),
    ],
)
async def test_a_wrong_request_gets_no_token(
    issuer: httpx.AsyncClient, client: str, changes: dict[str, Any], status: int, error: str
) -> None:
    answer = await ask(issuer, client, **changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


@pytest.mark.parametrize("body", [b"", b"\xff", b"a", b"%", b"&".join(b"a%d=1" % n for n in range(30))])
async def test_bytes_that_are_no_form_get_no_token(issuer: httpx.AsyncClient, body: bytes) -> None:
    assert (await issuer.post("/token", content=body)).status_code in (400, 401)


@pytest.mark.parametrize("login", ["Basic", "Basic !", "Basic //8=", "Basic YQ==", "Bearer a"])
async def test_a_damaged_login_is_a_wrong_client(issuer: httpx.AsyncClient, login: str) -> None:
    assert (await issuer.post("/token", headers={"Authorization": login})).status_code == 401


async def test_a_new_key_signs_at_once_and_the_last_one_stays_published_until_its_tokens_end(
    issuer: httpx.AsyncClient, clock: Clock
) -> None:
    old = (await ask(issuer)).json()["access_token"]
    answer = await issuer.post("/keys/rotate", auth=("operator", "o-secret"))
    new = (await ask(issuer)).json()["access_token"]
    kids = [key["kid"] for key in (await issuer.get("/keys")).json()["keys"]]
    assert answer.json()["kid"] == kids[0]
    assert len(kids) == 2
    ada = await subject_of(issuer, "c-ada")
    assert (await claims_of(issuer, old))["sub"] == (await claims_of(issuer, new))["sub"] == ada
    clock.now += 4_000
    await issuer.post("/keys/rotate", auth=("operator", "o-secret"))
    later = [key["kid"] for key in (await issuer.get("/keys")).json()["keys"]]
    assert later[1:] == [kids[0]]


async def test_only_an_operator_changes_the_keys(issuer: httpx.AsyncClient) -> None:
    answer = await issuer.post("/keys/rotate", auth=("clerk", "c-secret"))
    assert (answer.status_code, answer.json()["error"]) == (403, "unauthorized_client")


async def test_a_key_is_replaced_after_its_time(issuer: httpx.AsyncClient, clock: Clock) -> None:
    await ask(issuer)
    clock.now += 86_401
    await ask(issuer)
    assert len((await issuer.get("/keys")).json()["keys"]) == 2


async def test_only_public_parts_of_the_keys_are_published(issuer: httpx.AsyncClient) -> None:
    [key] = (await issuer.get("/keys")).json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


async def test_keys_outlive_the_process_in_a_file_that_only_the_owner_reads(
    settings: Settings, clock: Clock
) -> None:
    async with client_of(settings, clock) as first:
        text = (await ask(first)).json()["access_token"]
    assert stat.S_IMODE(settings.keys.stat().st_mode) == 0o600
    async with client_of(settings, clock) as second:
        assert (await claims_of(second, text))["sub"] == await subject_of(second, "c-ada")


@pytest.mark.parametrize("content", ["", "{}", "[{}]", '[{"key": {}, "made_at": 1}]', "[1]"])
def test_a_damaged_file_of_keys_is_named_and_not_replaced(
    settings: Settings, clock: Clock, content: str
) -> None:
    settings.keys.write_text(content)
    with pytest.raises(KeysDamaged, match="keys.json"):
        create_app(settings, clock)
    assert settings.keys.read_text() == content


def test_a_missing_secret_ends_the_start() -> None:
    with pytest.raises(SettingMissing, match="ISSUER_STOREFRONT_SECRET"):
        from_environment({})


def test_the_settings_come_from_the_environment() -> None:
    secrets = {f"ISSUER_{name.upper()}_SECRET": secret for name, secret in SECRETS.items()}
    settings = from_environment(
        {**secrets, "HTTP_PORT": "5", "ISSUER_URL": URL, "ISSUER_TOKEN_SECONDS": "60"}
    )
    assert (settings.url, settings.port, settings.token_seconds) == (URL, 5, 60)
    assert settings.secrets == SECRETS
    assert settings.address_domain == "customers.example"


async def test_no_secret_is_printed(
    issuer: httpx.AsyncClient, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    token = (await ask(issuer)).json()["access_token"]
    await issuer.post("/token", auth=("clerk", "wrong-secret"))
    private = json.loads(settings.keys.read_text())[0]["key"]["d"]
    printed = "".join(capfd.readouterr())
    assert not [secret for secret in (*SECRETS.values(), "wrong-secret", token, private) if secret in printed]
    assert SECRETS["operator"] not in repr(settings)
