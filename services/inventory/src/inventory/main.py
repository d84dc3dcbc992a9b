"""Builds the service from its settings, routes, subscriptions and jobs."""

from chassis.server import serve
from chassis.service import Service, build_service
from chassis.single import OneTransaction
from inventory import api
from inventory.commands import COMMANDS
from inventory.jobs import JOBS
from inventory.metrics import METRICS
from inventory.settings import Settings
from inventory.subscriptions import SUBSCRIPTIONS


def create_service(settings: Settings | None = None) -> Service:
    """The inventory service, with settings from the environment unless `settings` are given."""
    settings = settings or Settings()
    return build_service(
        settings,
        router=api.router,
        problems=api.PROBLEMS,
        subscriptions=COMMANDS if settings.is_orchestrated else SUBSCRIPTIONS,
        jobs=JOBS,
        business=METRICS,
        one_transaction=OneTransaction(),
    )


if __name__ == "__main__":
    serve(create_service)
