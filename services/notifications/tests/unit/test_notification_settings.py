"""A wrong setting ends the process at start, with a sentence that says which."""

from typing import Any

import pytest
from pydantic import ValidationError

from notifications.channels import LogChannel, SmtpChannel
from notifications.main import channel_of
from notifications.settings import Settings


def settings(**values: Any) -> Settings:
    right = {
        "database_url": "postgresql://n:n@db/n",
        "kafka_bootstrap_servers": "kafka:9092",
        "directory_url": "http://issuer:8000/scim/v2",
        "directory_client_secret": "secret",
    }
    return Settings.model_validate(right | values)


@pytest.mark.parametrize("url", [None, ""])
def test_without_an_smtp_url_customers_are_told_by_the_log(url: str | None) -> None:
    assert isinstance(channel_of(settings(smtp_url=url)), LogChannel)


@pytest.mark.parametrize("url", ["smtp://relay:2525", "smtps://user:p%40ss@relay", "smtp://localhost"])
def test_with_an_smtp_url_customers_get_mail(url: str) -> None:
    assert isinstance(channel_of(settings(smtp_url=url)), SmtpChannel)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@relay",
        "relay:25",
        "smtp://",
        # A password with a character that ends the authority of a URL, and was not written as %2F, %3F or %23.
        "smtp://user:hunter2/x@relay:25",
        "smtp://user:25/hunter2@relay:25",
        "smtp://user:hunter2?x@relay",
        "smtp://user:25?hunter2@relay",
        "smtp://user:hunter2#x@relay",
        "smtp://token/hunter2@relay",
        # urlsplit() refuses these, and quotes the password of the second one.
        "smtp://user:[hunter2@relay",
        "smtp://user:hunter2\u2100@relay",
        "smtp://relay:hunter2",
        "smtp://relay:0",
    ],
)
def test_a_url_that_names_no_relay_is_refused_and_its_password_not_repeated(url: str) -> None:
    with pytest.raises(ValidationError, match="SMTP_URL must look like") as refusal:
        settings(smtp_url=url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "sender", ["Shopfloor <orders@shopfloor.example>", "orders@shop.example", "ä@x.example"]
)
def test_a_sender_is_one_address_with_or_without_a_name(sender: str) -> None:
    assert settings(notifications_sender=sender).notifications_sender == sender


@pytest.mark.parametrize(
    "sender",
    [
        "",
        " ",
        "Shopfloor",
        "orders@",
        "@shop.example",
        "a@x.example, b@x.example",
        "a@x\nBcc: b@x",
        "\udcff@x.example",
    ],
)
def test_a_sender_that_is_not_one_address_is_refused(sender: str) -> None:
    with pytest.raises(ValidationError, match="NOTIFICATIONS_SENDER"):
        settings(notifications_sender=sender)


@pytest.mark.parametrize(
    "url",
    [
        "issuer/scim/v2",
        "ftp://issuer/scim",
        "http://",
        "http://user:hunter2@issuer",
        "http://issuer/?a=b",
        "http://issuer/#a",
        "http://is suer",
        "http://issuer:0",
        "http://issuer:hunter2",
    ],
)
def test_an_address_of_the_directory_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="DIRECTORY_URL must look like") as refusal:
        settings(directory_url=url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("missing", ["directory_url", "directory_client_secret"])
def test_mail_without_a_directory_of_addresses_is_refused(missing: str) -> None:
    with pytest.raises(ValidationError, match="SMTP_URL needs DIRECTORY_URL and DIRECTORY_CLIENT_SECRET"):
        settings(**{"smtp_url": "smtp://relay", missing: ""})


def test_without_mail_and_in_a_process_that_sends_none_no_directory_is_needed() -> None:
    assert isinstance(channel_of(settings(directory_url="", directory_client_secret="")), LogChannel)
    api = settings(smtp_url="smtp://relay", directory_client_secret="", SHOP_ROLE="api")
    assert api.role == "api"


def test_the_secret_of_the_directory_is_not_shown() -> None:
    assert "hunter2" not in repr(settings(directory_client_secret="hunter2"))
