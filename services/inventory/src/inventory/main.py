"""Wiring only: settings, routes and subscriptions become the app."""

from fastapi import FastAPI

from chassis.app import build_app, serve
from inventory import api, consumers
from inventory.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The inventory service, ready to be served; its settings come from the environment unless given."""
    return build_app(
        settings or Settings(),
        router=api.router,
        problems=api.PROBLEMS,
        subscriptions=consumers.SUBSCRIPTIONS,
        ignored=consumers.IGNORED,
        patient=consumers.PATIENT,
    )


if __name__ == "__main__":
    serve(create_app)
