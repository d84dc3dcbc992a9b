"""Settings: a wrong value is named, and no secret is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chassis.settings import ServiceSettings

SECRET = "hunter2"
RIGHT = {
    "service_name": "things",
    "database_url": f"postgresql://things:{SECRET}@db:5432/things",
    "kafka_bootstrap_servers": "kafka:9092",
    "kafka_sasl_password": SECRET,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kafka_security_protocol": "SASL_SSL"},
        {"http_port": SECRET},
        {"role": SECRET, "SHOP_ROLE": SECRET},
        {"kafka_bootstrap_servers": None},
        {"database_url": f"postgresql://things:{SECRET}:{SECRET}@db:port/things"},
        {"database_url": f"mysql://things:{SECRET}@db/things"},
        {"database_url": f"things:{SECRET}@db"},
        {"database_url": ["postgresql://", SECRET]},
        {"kafka_sasl_password": [SECRET]},
        {"outbox_retention": SECRET},
    ],
)
def test_a_wrong_setting_is_refused_and_no_secret_is_shown(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refusal:
        ServiceSettings.model_validate(RIGHT | wrong)
    assert SECRET not in str(refusal.value)


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=30))
def test_no_part_of_a_database_url_that_cannot_be_read_is_shown(url: str) -> None:
    with pytest.raises(ValidationError, match="DATABASE_URL must look like") as refusal:
        ServiceSettings.model_validate(RIGHT | {"database_url": f"x{url}"})
    assert url not in str(refusal.value)


def test_a_database_url_is_taken_as_it_is() -> None:
    settings = ServiceSettings.model_validate(RIGHT)
    assert settings.database_url.get_secret_value() == RIGHT["database_url"]
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"SHOP_SAGA": "orchestrated", "local_modules": "a,b"}, "SHOP_TX=single has no steps to direct"),
        ({}, "SHOP_TX=single needs the modules of the saga in one database: set LOCAL_MODULES"),
    ],
)
def test_one_transaction_needs_a_group_and_no_orchestrator(more: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        ServiceSettings.model_validate(RIGHT | {"SHOP_TX": "single"} | more)
