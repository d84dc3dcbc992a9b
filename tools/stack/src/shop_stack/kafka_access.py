"""One login to a broker: what a client of any library, or a service, needs to connect."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shop_stack.rights import STACK

SCRAM = "SCRAM-SHA-512"
PLAIN = "PLAIN"

# A command reports an error as one sentence of a UserError. Without this handler the client would log lines around it.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """The address of a broker, and the login of one principal."""

    bootstrap: str
    """``host:port[,host:port]``"""
    username: str = ""
    """The principal. Empty: the broker asks for no login."""
    password: str = field(default="", repr=False)
    mechanism: str = SCRAM
    cafile: Path | None = None
    """File with the CA certificate of the brokers. With it the connection is TLS."""

    def __str__(self) -> str:
        return self.bootstrap

    @property
    def security_protocol(self) -> str:
        """Kafka's name of the way to connect, such as SASL_PLAINTEXT."""
        transport = "SSL" if self.cafile else "PLAINTEXT"
        return f"SASL_{transport}" if self.username else transport

    @property
    def client(self) -> dict[str, Any]:
        """The arguments of any client of aiokafka."""
        access: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
        }
        if self.cafile:
            access["ssl_context"] = ssl.create_default_context(cafile=self.cafile)
        if self.username:
            access["sasl_mechanism"] = self.mechanism
            access["sasl_plain_username"] = self.username
            access["sasl_plain_password"] = self.password
        return access

    @property
    def librdkafka(self) -> dict[str, str]:
        """The settings of any client of confluent-kafka."""
        settings = {"bootstrap.servers": self.bootstrap, "security.protocol": self.security_protocol}
        if self.cafile:
            settings["ssl.ca.location"] = str(self.cafile)
        if self.username:
            settings["sasl.mechanism"] = self.mechanism
            settings["sasl.username"] = self.username
            settings["sasl.password"] = self.password
        return settings

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a service logs in (see chassis.settings)."""
        variables = {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "KAFKA_SECURITY_PROTOCOL": self.security_protocol,
        }
        if self.cafile:
            variables["KAFKA_SSL_CAFILE"] = str(self.cafile)
        if self.username:
            variables["KAFKA_SASL_MECHANISM"] = self.mechanism
            variables["KAFKA_SASL_USERNAME"] = self.username
            variables["KAFKA_SASL_PASSWORD"] = self.password
        return variables


@dataclass(frozen=True, slots=True)
class KafkaLogins:
    """The logins of all principals of one broker."""

    bootstrap: str
    passwords: Mapping[str, str] = field(repr=False)
    """Principal → password."""

    def of(self, principal: str) -> KafkaAccess:
        """The login of one principal. Raises KeyError if it has no password."""
        mechanism = PLAIN if principal == STACK else SCRAM  # see shop_stack.kafka_security
        return KafkaAccess(self.bootstrap, principal, self.passwords[principal], mechanism)


def from_environment(variables: Mapping[str, str]) -> KafkaAccess:
    """The login that the variables of a service describe. Raises KeyError if KAFKA_BOOTSTRAP_SERVERS is missing."""
    cafile = variables.get("KAFKA_SSL_CAFILE")
    return KafkaAccess(
        variables["KAFKA_BOOTSTRAP_SERVERS"],
        variables.get("KAFKA_SASL_USERNAME", ""),
        variables.get("KAFKA_SASL_PASSWORD", ""),
        variables.get("KAFKA_SASL_MECHANISM", SCRAM),
        Path(cafile) if cafile else None,
    )
