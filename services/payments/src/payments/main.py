"""Builds the service from its settings, routes, subscriptions and jobs."""

from chassis.server import serve
from chassis.service import Service, build_service
from chassis.single import OneTransaction
from payments import api
from payments.commands import COMMANDS
from payments.jobs import charges_of_the_saga, jobs
from payments.metrics import METRICS
from payments.processor import Processor
from payments.settings import Settings
from payments.subscriptions import SUBSCRIPTIONS

JOBS_THAT_CALL = 2
"""The number of jobs that call the processor: charges and refunds. They share its connections."""


def create_service(settings: Settings | None = None) -> Service:
    """The payments service, with settings from the environment unless `settings` are given."""
    settings = settings or Settings()
    processor = Processor(
        settings.processor_url,
        settings.processor_api_key.get_secret_value(),
        settings.processor_timeout_seconds,
        connections=JOBS_THAT_CALL * settings.payments_concurrency,
    )
    return build_service(
        settings,
        router=api.router,
        problems=api.PROBLEMS,
        subscriptions=COMMANDS if settings.is_orchestrated else SUBSCRIPTIONS,
        jobs=jobs(
            processor,
            concurrency=settings.payments_concurrency,
            lease_seconds=settings.payments_lease_seconds,
            abandoned_seconds=settings.payments_abandoned_seconds,
        ),
        resources=[processor],
        business=METRICS,
        one_transaction=OneTransaction(
            calls=charges_of_the_saga(
                processor,
                concurrency=settings.payments_concurrency,
                lease_seconds=settings.payments_lease_seconds,
            )
        ),
    )


if __name__ == "__main__":
    serve(create_service)
