"""The services as the simulation builds them: their subscriptions, and the jobs that change data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import analytics.subscriptions
import inventory.subscriptions
import notifications.jobs
import notifications.subscriptions
import orders.jobs
import orders.subscriptions
import payments.jobs
import payments.subscriptions
from chassis.inbox import Subscriptions
from chassis.jobs import Job, Jobs
from notifications.channels import LogChannel
from payments.processor import Processor


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """What a process of a service is built from. `make_jobs` is called at each start of the process."""

    name: str
    subscriptions: Subscriptions
    make_jobs: Callable[[], Jobs]


def no_jobs() -> Jobs:
    """The jobs of a service whose jobs are not simulated."""
    return {}


def parts_of_all(processor: Processor) -> list[ServiceParts]:
    """The parts of all services. Payments calls `processor`."""

    def payments_jobs() -> Jobs:
        return chosen(
            payments.jobs.jobs(processor),
            "charge-due-payments",
            "refund-due-payments",
            "void-abandoned-payments",
        )

    return [
        ServiceParts("orders", orders.subscriptions.SUBSCRIPTIONS, lambda: orders.jobs.JOBS),
        # Its job publishes the catalogue again, which no choice asks for.
        ServiceParts("inventory", inventory.subscriptions.SUBSCRIPTIONS, no_jobs),
        ServiceParts("payments", payments.subscriptions.SUBSCRIPTIONS, payments_jobs),
        ServiceParts(
            "notifications",
            notifications.subscriptions.SUBSCRIPTIONS,
            lambda: chosen(notifications.jobs.jobs(LogChannel()), "deliver"),
        ),
        # Its job reads Kafka.
        ServiceParts("analytics", analytics.subscriptions.SUBSCRIPTIONS, no_jobs),
    ]


def chosen(jobs: Jobs, *names: str) -> dict[str, Job]:
    """The jobs with these names. The others only measure."""
    return {name: jobs[name] for name in names}
