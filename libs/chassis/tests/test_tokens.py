"""Bearer tokens: a good one names its caller, and each bad one is refused with a problem of its own."""

import asyncio
import base64
import hmac
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt

from chassis.service import Service
from chassis.web import GuardedRoute
from chassis.web.access import PUBLIC, CurrentCaller, Role, allow
from chassis.web.token_problems import TokenRefused
from chassis.web.tokens import CACHED_TOKENS, TokenVerifier
from libs.chassis.tests.api_services import api_service, client_without_token
from testkit import token, verifier_of
from testkit.tokens import ISSUER, key_set, signing_key

router = APIRouter(route_class=GuardedRoute, dependencies=[allow(Role.CLERK, Role.OPERATOR)])


@router.get("/caller")
async def read_caller(caller: CurrentCaller) -> dict[str, Any]:
    return {"subject": caller.subject, "roles": sorted(caller.roles)}


@router.post("/things", dependencies=[allow(Role.CUSTOMER)])
async def take(thing: dict[str, int]) -> int:
    return len(thing)


@router.get("/open", dependencies=[PUBLIC])
async def read_open() -> str:
    return "open"


@pytest.fixture
def service() -> Service:
    return api_service(router)


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with client_without_token(service) as opened:
        yield opened


def refused(answer: httpx.Response, status: int, slug: str) -> str:
    """Expects a problem of this kind. Returns the value of `WWW-Authenticate`."""
    body = answer.json()
    assert (answer.status_code, body["type"]) == (status, f"urn:shopfloor:problem:{slug}"), body
    assert answer.headers["content-type"] == "application/problem+json"
    challenge: str = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="shopfloor"')
    return challenge


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned() -> str:
    """A token with `alg: none` and no signature."""
    claims = token("things").split(".")[1]
    return f"{part({'alg': 'none', 'kid': 'test-key'})}.{claims}."


def signed_with_the_public_key() -> str:
    """A token with HS256, whose secret is the text of the issuer's public key."""
    signed = f"{part({'alg': 'HS256', 'kid': 'test-key'})}.{token('things').split('.')[1]}"
    digest = hmac.digest(signing_key().as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def claims_of_a_good_token() -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token("things").split(".")[1] + "=="))
    return claims


def signed_by_another_issuer() -> str:
    """A token that claims our issuer and our `kid`, and was signed with the key of another issuer."""
    header = {"alg": "ES256", "kid": "test-key"}
    return jwt.encode(header, claims_of_a_good_token(), signing_key("stranger"), algorithms=["ES256"])


def roles_as_text() -> str:
    header = {"alg": "ES256", "kid": "test-key"}
    claims = claims_of_a_good_token() | {"roles": "clerk"}
    return jwt.encode(header, claims, signing_key(), algorithms=["ES256"])


def shifted(seconds: int) -> str:
    """A token of an issuer whose clock is ahead by these seconds, with tokens that last a minute."""
    now = int(time.time()) + seconds
    return token("things", iat=now, nbf=now, exp=now + 60)


BAD_TOKENS: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: token("things", exp=int(time.time()) - 3600), "token-expired"),
    "not yet valid": (lambda: token("things", nbf=int(time.time()) + 3600), "token-not-yet-valid"),
    "a clock 5 minutes ahead": (lambda: shifted(300), "token-not-yet-valid"),
    "a clock 5 minutes behind": (lambda: shifted(-300), "token-expired"),
    "other audience": (lambda: token("orders"), "token-audience"),
    "no audience": (lambda: token("things", aud=None), "token-audience"),
    "wrong issuer": (lambda: token("things", iss="http://stranger.test"), "token-issuer"),
    "alg none": (unsigned, "token-unsigned"),
    "HS256 with the public key": (signed_with_the_public_key, "token-algorithm"),
    "unknown kid": (lambda: token("things", key=signing_key("stranger")), "token-key-unknown"),
    "two issuers' keys mixed": (signed_by_another_issuer, "token-signature"),
    "100 kB": (lambda: token("things", more="x" * 100_000), "token-too-large"),
    "garbage": (lambda: "garbage", "token-malformed"),
    "three parts of garbage": (lambda: "a.b.c", "token-malformed"),
    "no expiry": (lambda: token("things", exp=None), "token-malformed"),
    "an expiry that is a text": (lambda: token("things", exp="soon"), "token-malformed"),
    "no subject": (lambda: token("things", sub=None), "token-malformed"),
    "a subject with a NUL": (lambda: token("things", sub="a\x00"), "token-malformed"),
    "roles that are a text": (roles_as_text, "token-malformed"),
    "a critical extension": (
        lambda: f"{part({'alg': 'ES256', 'kid': 'test-key', 'crit': ['b64'], 'b64': False})}.e30.AAAA",
        "token-malformed",
    ),
    "claims that are a list": (
        lambda: f"{token('things').split('.')[0]}.{part([1])}.AAAA",
        "token-signature",
    ),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_each_bad_token_is_refused_with_a_problem_of_its_own(
    http: httpx.AsyncClient, name: str
) -> None:
    make, slug = BAD_TOKENS[name]
    answer = await http.get("/caller", headers={"Authorization": f"Bearer {make()}"})
    assert 'error="invalid_token"' in refused(answer, 401, slug)
    assert len(answer.content) < 1_000


def test_no_two_kinds_of_bad_tokens_share_a_problem_type() -> None:
    kinds = (
        "expired",
        "not yet valid",
        "other audience",
        "wrong issuer",
        "alg none",
        "HS256 with the public key",
        "unknown kid",
        "two issuers' keys mixed",
        "100 kB",
    )
    slugs = [BAD_TOKENS[kind][1] for kind in kinds]
    assert len({*slugs, "token-missing", "role-missing"}) == len(kinds) + 2


async def test_a_request_without_a_token_is_told_to_bring_one(http: httpx.AsyncClient) -> None:
    assert "error" not in refused(await http.get("/caller"), 401, "token-missing")


@pytest.mark.parametrize(
    "value", [b"Basic b3BlcmF0b3I6eA==", b"Bearer", b"Bearer ", b"Bearer a b.c.d", b"Bearer \xe9"]
)
async def test_a_header_that_is_no_bearer_token_is_refused(http: httpx.AsyncClient, value: bytes) -> None:
    refused(await http.get("/caller", headers=[(b"Authorization", value)]), 401, "token-malformed")


async def test_two_authorization_headers_are_refused_even_if_both_are_right(http: httpx.AsyncClient) -> None:
    login = ("Authorization", f"Bearer {token('things')}")
    refused(await http.get("/caller", headers=[login, login]), 401, "token-malformed")


async def test_a_token_without_the_role_is_refused_and_told_the_roles(http: httpx.AsyncClient) -> None:
    login = {"Authorization": f"Bearer {token('things', roles=['customer'])}"}
    challenge = refused(await http.get("/caller", headers=login), 403, "role-missing")
    assert 'error="insufficient_scope", scope="clerk operator"' in challenge


async def test_the_caller_is_refused_before_the_body_is_read(http: httpx.AsyncClient) -> None:
    refused(await http.post("/things", content=b"{"), 401, "token-missing")


async def test_a_good_token_names_its_caller(http: httpx.AsyncClient) -> None:
    login = {"Authorization": f"bearer {token('things', 'c-eve', ['clerk'])}"}
    assert (await http.get("/caller", headers=login)).json() == {"subject": "c-eve", "roles": ["clerk"]}


async def test_a_public_route_needs_no_token(http: httpx.AsyncClient) -> None:
    assert (await http.get("/open")).json() == "open"


async def test_one_of_several_audiences_is_enough() -> None:
    caller = await (await verifier_of("things")).verify(token("", aud=["orders", "things"]))
    assert caller.subject == "c-ada"


async def test_clocks_may_differ_by_some_seconds() -> None:
    verifier = await verifier_of("things")
    await verifier.verify(shifted(20))
    await verifier.verify(token("things", exp=int(time.time()) - 20))


async def test_a_token_that_was_verified_is_refused_after_its_end() -> None:
    now = time.time()
    known = (await verifier_of("things")).keys
    verifier = TokenVerifier(known, ISSUER, "things", now=lambda: now)
    text = token("things", exp=int(now) + 10)
    await verifier.verify(text)
    now += 60
    with pytest.raises(TokenRefused) as refusal:
        await verifier.verify(text)
    assert refusal.value.type.slug == "token-expired"


async def test_a_token_that_was_verified_is_refused_when_the_issuer_has_withdrawn_its_key() -> None:
    verifier = await verifier_of("things")
    text = token("things")
    await verifier.verify(text)

    async def others() -> dict[str, Any]:
        return key_set(signing_key("next"))

    verifier.keys.fetch = others
    await verifier.keys.refresh()
    with pytest.raises(TokenRefused) as refusal:
        await verifier.verify(text)
    assert refusal.value.type.slug == "token-key-unknown"


def test_a_process_without_tokens_does_not_load_the_library_of_signatures() -> None:
    code = "import sys, chassis.service; print({'cryptography', 'joserfc'} & sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded == "set()\n"


async def test_the_memory_of_verified_tokens_is_bounded() -> None:
    verifier = await verifier_of("things")
    caller = await verifier.verify(token("things"))
    for number in range(CACHED_TOKENS + 10):
        verifier._keep(str(number), caller, time.time() + 60)
    assert len(verifier._verified) == CACHED_TOKENS


@given(
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60)
    | st.lists(
        st.text(alphabet="eyJhbGciOiJFUzI1NiJ9-_=", max_size=30)
        | st.just(part({"alg": "ES256", "kid": "test-key"})),
        min_size=2,
        max_size=5,
    ).map(".".join)
    | st.recursive(st.none() | st.text(max_size=3) | st.integers(), st.lists, max_leaves=5).map(
        lambda header: f"{part(header)}.{part({})}.AAAA"
    )
)
def test_no_text_is_a_fault_of_the_verifier(text: str) -> None:
    async def verify() -> None:
        with pytest.raises(TokenRefused):
            await (await verifier_of("things")).verify(text)

    asyncio.run(verify())
