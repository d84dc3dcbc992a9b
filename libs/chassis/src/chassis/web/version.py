"""`/version`: the release that this process is. On the management port, without a token, as the probes.

A value that is not known is `unknown`. The image or the stack sets SHOP_VERSION and SHOP_REVISION, and the deployment
sets SHOP_IMAGE.
"""

import asyncio

from fastapi import APIRouter, Request
from sqlalchemy import text

from chassis.errors import is_unavailable
from chassis.outbox import Database
from chassis.web.access import PUBLIC
from chassis.web.context import context_of
from chassis.web.guarded_route import GuardedRoute

PATH = "version"
ANSWER_SECONDS = 2.0
UNKNOWN = "unknown"

router = APIRouter(tags=["health"], include_in_schema=False, route_class=GuardedRoute, dependencies=[PUBLIC])


@router.get(f"/{PATH}")
async def version(request: Request) -> dict[str, object]:
    """200 with the name of the service and its release.

    `revision` is the commit that it was built of, and `image` the name of its image, as its deployment says it.
    `schema` is the last migration of its database. `consumes` has the event types that it handles. `saga` and `tx` say
    how a saga is carried out (SHOP_SAGA, SHOP_TX).
    """
    context = context_of(request)
    settings = context.settings
    return {
        "service": settings.service_name,
        "version": settings.shop_version,
        "revision": settings.shop_revision,
        "image": settings.shop_image,
        "schema": await _last_migration(context.background_database),
        "consumes": sorted(context.inbox.subscriptions.by_type),
        "saga": settings.saga,
        "tx": settings.tx,
    }


async def _last_migration(database: Database) -> str:
    """The number of the database's last migration, or `unknown` if the database is unavailable."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS), database.reading() as connection:
            found = await connection.value(text("SELECT max(version_num) FROM alembic_version"))
    except Exception as error:
        if not is_unavailable(error):
            raise
        return UNKNOWN
    return str(found or UNKNOWN)
