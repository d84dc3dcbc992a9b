"""Settings that contradict each other end the process at start."""

import pytest
from pydantic import ValidationError

from payments.settings import Settings


def settings(**values: float | str) -> Settings:
    given = {
        "database_url": "postgresql://x",
        "kafka_bootstrap_servers": "x:1",
        "processor_api_key": "merchants-key",
        **values,
    }
    return Settings.model_validate(given)


def test_the_defaults_agree() -> None:
    assert settings().payments_lease_seconds > settings().processor_timeout_seconds


def test_a_lease_that_ends_before_its_request_is_refused() -> None:
    with pytest.raises(ValidationError, match="PAYMENTS_LEASE_SECONDS must be longer"):
        settings(payments_lease_seconds=5, processor_timeout_seconds=5)


def test_without_the_key_of_the_processor_only_a_process_that_never_calls_it_starts() -> None:
    with pytest.raises(ValidationError, match="PROCESSOR_API_KEY is not set"):
        settings(processor_api_key="")
    assert settings(processor_api_key="", SHOP_ROLE="api").role == "api"


@pytest.mark.parametrize("key", ["two words", "k\u00e9y", "a\nb"])
def test_a_key_of_the_processor_that_cannot_be_one_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="PROCESSOR_API_KEY must be one word"):
        settings(processor_api_key=key)


def test_the_key_of_the_processor_is_not_shown() -> None:
    assert "merchants-key" not in repr(settings())
