"""What every broker of ours must be set to, in a container or on a cluster: TLS, a login and a right for every request.

`broker` is always the environment of the broker's container, name → value.
"""

from collections.abc import Iterator, Mapping

from shop_stack import rights

SECURED = "SASL_SSL"


def pairs(text: str, separator: str) -> dict[str, str]:
    """The broker's lists, such as ``INSIDE:SASL_SSL,HOST:SASL_SSL``."""
    return dict(part.split(separator, 1) for part in text.split(","))


def listener_faults(broker: Mapping[str, str]) -> Iterator[str]:
    """The listeners that demand no TLS, or no login."""
    protocols = pairs(broker["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"], ":")
    for name in pairs(broker["KAFKA_LISTENERS"], "://"):
        if protocols[name] != SECURED:
            yield f"listener {name} is {protocols[name]}"
        if f"KAFKA_LISTENER_NAME_{name}_SASL_ENABLED_MECHANISMS" not in broker:
            yield f"listener {name} has no mechanism of its own"


def right_faults(broker: Mapping[str, str]) -> Iterator[str]:
    """The settings by which a login could do what no right allows."""
    if not broker.get("KAFKA_AUTHORIZER_CLASS_NAME", "").endswith(".StandardAuthorizer"):
        yield "no authorizer is set"
    if broker.get("KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND") != "false":
        yield "a resource without rights is open to all"
    if broker.get("KAFKA_SUPER_USERS") != f"User:{rights.STACK}":
        yield "there is another super user than the job that creates users"
