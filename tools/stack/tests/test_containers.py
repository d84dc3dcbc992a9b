"""The broker in a container is secured as the embedded one is."""

from __future__ import annotations

from shop_stack import kafka_security
from shop_stack.containers import KAFKA_ENVIRONMENT, in_variables


def test_properties_become_the_variables_from_which_the_image_writes_them_back() -> None:
    properties = kafka_security.properties("s3cret")
    variables = in_variables(properties)
    assert {as_the_image_reads(name): value for name, value in variables.items()} == properties
    assert not variables.keys() & KAFKA_ENVIRONMENT.keys()


def as_the_image_reads(variable: str) -> str:
    """The rule of the image: three underscores are a hyphen, two are an underscore, one is a dot."""
    name = variable.removeprefix("KAFKA_").lower()
    return name.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")
