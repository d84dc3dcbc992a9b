"""A caller that sends more than its share is refused, and no other caller is."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter
from prometheus_client import REGISTRY
from pydantic import SecretStr

from chassis.service import build_service
from chassis.settings import ServiceSettings
from chassis.web import GuardedRoute
from chassis.web.access import Caller, Role, allow
from chassis.web.rate_limit import MAX_CALLERS, RateLimit, TooManyRequests
from testkit import client, login

BURST = 3
ROLES = ["customer"]

router = APIRouter(route_class=GuardedRoute, dependencies=[allow(Role.CUSTOMER, Role.OPERATOR)])


@router.get("/things")
async def read() -> str:
    return "read"


@router.post("/things", dependencies=[allow(Role.CLERK)])
async def change() -> str:
    return "changed"


def customer(subject: str) -> Caller:
    return Caller(subject, frozenset(ROLES))


class Clock:
    """A clock that the test moves."""

    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A customer's client on a service that answers BURST requests of a caller, and then one in an hour."""
    settings = ServiceSettings(
        service_name="things",
        database_url=SecretStr("postgresql://things:x@127.0.0.1:1/things"),
        kafka_bootstrap_servers="127.0.0.1:1",
        SHOP_ROLE="api",
        http_caller_burst=BURST,
        http_caller_rate=1 / 3600,
    )
    async with client(build_service(settings, router=router), "c-ada", ROLES) as opened:
        yield opened


def limited() -> float:
    """The number that /metrics shows."""
    return REGISTRY.get_sample_value("chassis_requests_limited_total") or 0


def assert_limited(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (429, "urn:shopfloor:problem:too-many-requests")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_caller_that_sends_too_many_requests_is_refused_and_told_when_to_come_back(
    http: httpx.AsyncClient,
) -> None:
    before = limited()
    answers = [await http.get("/things") for _ in range(BURST + 2)]
    assert [answer.status_code for answer in answers] == [200] * BURST + [429] * 2
    assert_limited(answers[-1])
    assert 3_000 < int(answers[-1].headers["retry-after"]) <= 3_600
    assert limited() == before + 2


async def test_a_refused_caller_harms_no_other_caller(http: httpx.AsyncClient) -> None:
    for _ in range(BURST + 1):
        last = await http.get("/things")
    assert_limited(last)
    other = login("things", "c-bob", ROLES)
    assert (await http.get("/things", headers=other)).status_code == 200


async def test_another_token_of_a_caller_has_no_share_of_its_own(http: httpx.AsyncClient) -> None:
    tokens = [login("things", "c-ada", [*ROLES, f"role-{number}"]) for number in range(BURST + 1)]
    answers = [await http.get("/things", headers=one) for one in tokens]
    assert_limited(answers[-1])


async def test_requests_that_are_refused_for_their_role_count(http: httpx.AsyncClient) -> None:
    answers = [await http.post("/things") for _ in range(BURST + 1)]
    assert answers[0].status_code == 403
    assert_limited(answers[-1])


async def test_an_operator_has_no_limit(http: httpx.AsyncClient) -> None:
    operator = login("things", "operator", ["operator"])
    answers = [await http.get("/things", headers=operator) for _ in range(BURST + 2)]
    assert {answer.status_code for answer in answers} == {200}


def test_a_share_comes_back_with_time_and_not_above_the_burst() -> None:
    clock = Clock()
    limit = RateLimit(per_second=2, burst=BURST, now=clock)

    def taken() -> int:
        """The number of requests until one is refused."""
        count = 0
        while True:
            try:
                limit.take(customer("c-ada"))
            except TooManyRequests:
                return count
            count += 1

    assert taken() == BURST
    clock.seconds += 1
    assert taken() == 2
    clock.seconds += 3_600
    assert taken() == BURST


def test_requests_that_are_refused_do_not_prolong_the_refusal() -> None:
    clock = Clock()
    limit = RateLimit(per_second=1, burst=1, now=clock)
    limit.take(customer("c-ada"))
    for _ in range(100):
        with pytest.raises(TooManyRequests) as refusal:
            limit.take(customer("c-ada"))
    assert refusal.value.type.headers == {"Retry-After": "1"}
    clock.seconds += 1
    limit.take(customer("c-ada"))


def test_the_memory_of_callers_is_bounded_and_one_that_goes_on_sending_is_not_forgotten() -> None:
    clock = Clock()
    limit = RateLimit(per_second=1, burst=1, now=clock)
    limit.take(customer("c-ada"))
    for number in range(MAX_CALLERS + 10):
        limit.take(customer(str(number)))
        with pytest.raises(TooManyRequests):
            limit.take(customer("c-ada"))
    assert len(limit._buckets) == MAX_CALLERS
