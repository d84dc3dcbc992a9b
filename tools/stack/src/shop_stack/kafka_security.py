"""The properties with which a broker demands a login on every listener, and a right for every request."""

from __future__ import annotations

from shop_stack.kafka_access import PLAIN, SCRAM
from shop_stack.rights import STACK

CLIENTS = "CLIENTS"
CONTROLLER = "CONTROLLER"
SECURED = "SASL_PLAINTEXT"
"""Both listeners are bound to 127.0.0.1. Only root can read what other users send there."""

MODULES = "org.apache.kafka.common.security"


def properties(password: str) -> dict[str, str]:
    """Name → value. `password` is that of STACK, which is the only super user, and the broker's own principal.

    STACK logs in by PLAIN, with the password of this file. So no user must exist when a data folder is formatted, and a
    folder that an older release has formatted can still be used. All others log in by SCRAM.
    """
    own_login = f'{MODULES}.plain.PlainLoginModule required username="{STACK}" password="{password}"'
    own_login += f' user_{STACK}="{password}";'
    return {
        "listener.security.protocol.map": f"{CLIENTS}:{SECURED},{CONTROLLER}:{SECURED}",
        "controller.listener.names": CONTROLLER,
        "inter.broker.listener.name": CLIENTS,
        "sasl.mechanism.inter.broker.protocol": PLAIN,
        "sasl.mechanism.controller.protocol": PLAIN,
        "listener.name.clients.sasl.enabled.mechanisms": f"{SCRAM},{PLAIN}",
        "listener.name.clients.plain.sasl.jaas.config": own_login,
        "listener.name.clients.scram-sha-512.sasl.jaas.config": f"{MODULES}.scram.ScramLoginModule required;",
        "listener.name.controller.sasl.enabled.mechanisms": PLAIN,
        "listener.name.controller.plain.sasl.jaas.config": own_login,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{STACK}",
        "allow.everyone.if.no.acl.found": "false",
    }
