"""Wiring only: settings and the other modules become one process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chassis.app import build_app, serve
from payments import api, consumers
from payments.processor import Processor
from payments.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The payments service, set by the environment unless `settings` are given."""
    settings = settings or Settings()
    # Two jobs share the connections.
    connections = 2 * settings.payments_concurrency
    processor = Processor(settings.processor_url, settings.processor_timeout_seconds, connections)

    app = build_app(
        settings,
        router=api.router,
        problems=api.PROBLEMS,
        subscriptions=consumers.SUBSCRIPTIONS,
        ignored=consumers.IGNORED,
        patient=consumers.PATIENT,
        jobs=consumers.jobs(
            processor,
            concurrency=settings.payments_concurrency,
            lease_seconds=settings.payments_lease_seconds,
            forget_seconds=settings.payments_forget_seconds,
        ),
    )
    service = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service(app):
            yield
        await processor.close()  # the jobs have stopped

    app.router.lifespan_context = lifespan
    return app


if __name__ == "__main__":
    serve(create_app)
