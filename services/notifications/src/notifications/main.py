"""Wiring only."""

from fastapi import FastAPI

from chassis.app import build_app, serve
from notifications import api, consumers
from notifications.channels import Channel, LogChannel, SmtpChannel
from notifications.settings import Settings


def create_app() -> FastAPI:
    """The service, from its environment."""
    settings = Settings()
    return build_app(
        settings,
        router=api.router,
        problems=api.PROBLEMS,
        subscriptions=consumers.SUBSCRIPTIONS,
        ignored=consumers.IGNORED,
        jobs=consumers.jobs(channel_of(settings)),
    )


def channel_of(settings: Settings) -> Channel:
    """How customers are told: by e-mail if SMTP_URL is set, else by a line in the log."""
    if settings.smtp_url is None:
        return LogChannel()
    url = settings.smtp_url.get_secret_value()
    return SmtpChannel(url, settings.notifications_sender, settings.notifications_address_template)


if __name__ == "__main__":
    serve(create_app)
