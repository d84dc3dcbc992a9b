"""Builds the service from its settings, routes, subscriptions and jobs."""

from chassis.server import serve
from chassis.service import Service, build_service
from notifications import api
from notifications.channels import Channel, LogChannel, SmtpChannel
from notifications.commands import COMMANDS
from notifications.directory import DEPENDENCY, Directory
from notifications.jobs import jobs
from notifications.metrics import metrics_of
from notifications.settings import Settings
from notifications.subscriptions import SUBSCRIPTIONS


def create_service(settings: Settings | None = None) -> Service:
    """The notifications service, with settings from the environment unless `settings` are given."""
    settings = settings or Settings()
    channel = channel_of(settings)
    return build_service(
        settings,
        router=api.router,
        problems=api.PROBLEMS,
        subscriptions=COMMANDS if settings.is_orchestrated else SUBSCRIPTIONS,
        jobs=jobs(channel),
        business=metrics_of(channel.name, DEPENDENCY),
    )


def channel_of(settings: Settings) -> Channel:
    """The channel to customers: e-mail if SMTP_URL is set, otherwise the log."""
    if settings.smtp_url is None:
        return LogChannel()
    return SmtpChannel(
        settings.smtp_url.get_secret_value(), settings.notifications_sender, directory_of(settings)
    )


def directory_of(settings: Settings) -> Directory:
    """The client of the customers' directory."""
    return Directory(
        settings.directory_url,
        settings.oidc_issuer,
        (settings.directory_client_id, settings.directory_client_secret.get_secret_value()),
        audience=settings.directory_audience,
        cafile=settings.oidc_cafile,
        timeout=settings.directory_timeout_seconds,
    )


if __name__ == "__main__":
    serve(create_service)
