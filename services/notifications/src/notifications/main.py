"""Builds the service from its settings, routes, subscriptions and jobs."""

from chassis.server import serve
from chassis.service import Service, build_service
from notifications import api
from notifications.channels import Channel, LogChannel, SmtpChannel
from notifications.jobs import jobs
from notifications.settings import Settings
from notifications.subscriptions import SUBSCRIPTIONS


def create_service(settings: Settings | None = None) -> Service:
    """The notifications service, with settings from the environment unless `settings` are given."""
    settings = settings or Settings()
    return build_service(
        settings,
        router=api.router,
        problems=api.PROBLEMS,
        subscriptions=SUBSCRIPTIONS,
        jobs=jobs(channel_of(settings)),
    )


def channel_of(settings: Settings) -> Channel:
    """The channel to customers: e-mail if SMTP_URL is set, otherwise the log."""
    if settings.smtp_url is None:
        return LogChannel()
    url = settings.smtp_url.get_secret_value()
    return SmtpChannel(url, settings.notifications_sender, settings.notifications_address_template)


if __name__ == "__main__":
    serve(create_service)
