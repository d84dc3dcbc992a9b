"""A wrong setting ends the process at start, with a sentence that says which."""

from typing import Any

import pytest
from pydantic import ValidationError

from notifications.channels import LogChannel, SmtpChannel
from notifications.main import channel_of
from notifications.settings import Settings


def settings(**values: Any) -> Settings:
    return Settings.model_validate(
        {"database_url": "postgresql://n:n@db/n", "kafka_bootstrap_servers": "kafka:9092"} | values
    )


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
    "template",
    [
        "orders@shop.example",
        "{customer_id}",
        "{customer_id}@",
        "@{customer_id}",
        "{customer_id}@shop example",
        '"{customer_id}"@shop.example',
        "{customer_id}(x)@shop.example",
        "{customer_id}@\udcff.example",
    ],
)
def test_a_template_that_gives_no_address_of_the_customer_is_refused(template: str) -> None:
    with pytest.raises(ValidationError, match="NOTIFICATIONS_ADDRESS_TEMPLATE"):
        settings(notifications_address_template=template)
