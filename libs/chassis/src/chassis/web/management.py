"""The management app: probes, metrics, the release and the admin API. It has a port of its own (docs/decisions/0032).

The public app has none of its routes. So a proxy, a firewall or a NetworkPolicy that opens the public port opens none
of these routes, even if a later release adds more.
"""

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig

from chassis.web import admin, admin_outbox, probes, version
from chassis.web.context import ServiceContext, set_context
from chassis.web.error_handlers import install_error_handlers
from chassis.web.security_scheme import install_security

ROUTERS: tuple[APIRouter, ...] = (probes.router, version.router, admin.router, admin_outbox.router)
UNTRACED_PATHS = (*probes.PATHS, version.PATH)
"""Paths that monitoring asks again and again. Their requests have no spans."""
UNTRACED = TelemetryConfig(tracing=False, metrics=False, logs=False)
"""FastAPI's own telemetry is off, because `FastAPIInstrumentor` traces each request already."""


def build_management_app(context: ServiceContext) -> FastAPI:
    """The management app of a process. Its OpenAPI document is the same in every service."""
    app = FastAPI(
        title="management",
        version="1",
        telemetry=UNTRACED,
        redirect_slashes=False,
        openapi_url="/admin/openapi.json",
        docs_url="/admin/docs",
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    set_context(app, context)
    for router in ROUTERS:
        app.include_router(router)
    install_security(app)
    install_error_handlers(app, admin.PROBLEMS)
    return app
