"""A service of role `api` for tests of requests. It has no Kafka, and a database only if a test gives one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import APIRouter
from pydantic import SecretStr

from chassis.service import Service, build_service
from chassis.settings import ServiceSettings
from testkit import client

NOWHERE = "postgresql://things:x@127.0.0.1:1/things"


def api_settings(database_url: str = NOWHERE) -> ServiceSettings:
    """The settings of a service of role `api`."""
    return ServiceSettings(
        service_name="things",
        database_url=SecretStr(database_url),
        kafka_bootstrap_servers="127.0.0.1:1",
        SHOP_ROLE="api",
    )


def api_service(router: APIRouter) -> Service:
    """A service with these routes, and without a database."""
    return build_service(api_settings(), router=router)


@asynccontextmanager
async def client_without_token(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends no token by itself."""
    async with client(service) as opened:
        del opened.headers["Authorization"]
        yield opened
