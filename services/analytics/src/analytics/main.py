"""Wiring only."""

from fastapi import FastAPI

from analytics import api, consumers
from analytics.settings import Settings
from chassis.app import build_app, serve


def create_app() -> FastAPI:
    """The service, from its environment."""
    settings = Settings()
    return build_app(
        settings,
        router=api.router,
        problems=api.PROBLEMS,
        subscriptions=consumers.SUBSCRIPTIONS,
        ignored=consumers.IGNORED,
        jobs=consumers.jobs(settings.kafka),
    )


if __name__ == "__main__":
    serve(create_app)
