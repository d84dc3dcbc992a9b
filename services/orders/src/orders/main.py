"""Builds the service from its settings and the other modules."""

from functools import partial

from chassis.jobs import Jobs
from chassis.server import serve
from chassis.service import Service, build_service
from chassis.single import OneTransaction
from chassis.web import LoadShedding
from orders import api, db
from orders.jobs import JOBS, has_placed_pending_orders
from orders.metrics import METRICS
from orders.orchestrator.jobs import ORCHESTRATOR_JOBS
from orders.orchestrator.subscriptions import ORCHESTRATED
from orders.settings import Settings
from orders.subscriptions import SUBSCRIPTIONS


def create_service(settings: Settings | None = None) -> Service:
    """The orders service, with settings from the environment unless `settings` are given."""
    settings = settings or Settings()
    limit = settings.orders_max_pending
    return build_service(
        settings,
        router=api.router,
        problems=api.PROBLEMS,
        subscriptions=ORCHESTRATED if settings.is_orchestrated else SUBSCRIPTIONS,
        jobs=_jobs(settings),
        load_shedding=LoadShedding(partial(db.pending_orders, limit=limit), limit, paths={"/orders"}),
        business=METRICS,
        one_transaction=OneTransaction(starts=True, is_unfinished=has_placed_pending_orders),
    )


def _jobs(settings: Settings) -> Jobs:
    """No order that was committed is PENDING if the saga is one transaction, so no order is cancelled as overdue."""
    if settings.is_single:
        return {}
    return {**JOBS, **ORCHESTRATOR_JOBS} if settings.is_orchestrated else JOBS


if __name__ == "__main__":
    serve(create_service)
