"""Builds the service from its settings, routes, subscriptions and jobs."""

from analytics import api
from analytics.jobs import TOPICS, jobs
from analytics.metrics import METRICS
from analytics.settings import Settings
from analytics.subscriptions import SUBSCRIPTIONS
from chassis.replaying import replay_of
from chassis.server import serve
from chassis.service import Service, build_service


def create_service(settings: Settings | None = None) -> Service:
    """The analytics service, with settings from the environment unless `settings` are given."""
    settings = settings or Settings()
    return build_service(
        settings,
        router=api.router,
        problems=api.PROBLEMS,
        subscriptions=SUBSCRIPTIONS,
        jobs=jobs(replay_of(settings, TOPICS)),
        business=METRICS,
    )


if __name__ == "__main__":
    serve(create_service)
