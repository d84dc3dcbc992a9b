"""Wiring only: settings and the other modules become one process."""

from datetime import timedelta
from functools import partial

from fastapi import FastAPI

from chassis.app import build_app, serve
from chassis.backlog import Backlog
from orders import api, consumers, db
from orders.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The orders service, set by the environment unless `settings` are given."""
    settings = settings or Settings()
    most = settings.orders_max_pending
    app = build_app(
        settings,
        router=api.router,
        problems=api.PROBLEMS,
        subscriptions=consumers.SUBSCRIPTIONS,
        ignored=consumers.IGNORED,
        jobs=consumers.JOBS,
        backlog=Backlog(partial(db.pending_orders, at_most=most), limit=most, sheds={"/orders"}),
    )
    app.state.time_allowed = timedelta(seconds=settings.orders_deadline_seconds)
    return app


if __name__ == "__main__":
    serve(create_app)
