"""Settings of every service, from its environment."""

import ssl
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.passwords import PasswordInFile, read_password

NO_KAFKA = "none"
"""The value of KAFKA_BOOTSTRAP_SERVERS in a shop without Kafka."""


class ServiceSettings(BaseSettings):
    """Settings common to all services; a service adds its own in a subclass.

    Wrong or missing values end the process at start with pydantic's message, which names the variable.
    """

    # The error names the variable and does not show its value, which may contain a password.
    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    service_name: str
    shop_version: str = Field("unknown", description="version of the release, for `/version`")
    shop_revision: str = Field("unknown", description="commit that the release was built of, for `/version`")
    shop_image: str = Field("unknown", description="name of the image, for `/version`")
    database_url: SecretStr = Field(
        description="postgresql://role:password@host:port/database; this role needs no right to change tables"
    )
    database_password_file: Path | None = Field(
        None, description="file with the password for DATABASE_URL; it is read at each login"
    )
    local_modules: str = Field(
        "",
        description="names of the services, separated by commas, whose outboxes are in this service's database: their "
        "topics are read there, and not from Kafka",
    )
    kafka_bootstrap_servers: str = Field(
        description="host:port of at least one broker; `none` if all topics are those of LOCAL_MODULES"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")
    kafka_sasl_password_file: Path | None = Field(
        None,
        description="file with the password, instead of KAFKA_SASL_PASSWORD; it is read at each login by SCRAM",
    )
    kafka_ssl_cafile: Path | None = Field(
        None, description="file with the CA certificate of the brokers; unset: the CAs of the system"
    )
    oidc_issuer: str = Field(
        description="URL of the OpenID Connect issuer whose tokens are accepted; the value of `iss` in them"
    )
    oidc_cafile: Path | None = Field(
        None, description="file with the CA certificate of the issuer; unset: the CAs of the system"
    )
    oidc_refresh_seconds: float = Field(300, gt=0, description="how often the issuer's keys are fetched")
    oidc_keys_valid_seconds: float = Field(
        3600, gt=0, description="how long the issuer's last keys are used while it does not answer"
    )
    role: Literal["all", "api", "worker"] = Field("all", validation_alias="SHOP_ROLE")
    saga: Literal["choreographed", "orchestrated"] = Field(
        "choreographed",
        validation_alias="SHOP_SAGA",
        description="choreographed: the service reacts to events of others; orchestrated: to commands",
    )
    tx: Literal["steps", "single"] = Field(
        "steps",
        validation_alias="SHOP_TX",
        description="steps: each step of a saga is a transaction; single: the saga is one, in a group of its modules",
    )
    http_host: str = "127.0.0.1"
    http_port: int = 8000
    http_management_host: str = Field("127.0.0.1", description="address of probes, metrics and the admin API")
    http_management_port: int = Field(9000, description="port of probes, metrics and the admin API")
    http_handover_socket: Path | None = Field(
        None,
        description="Unix socket at which a process that replaces this one gets its listening sockets; "
        "unset: no process does",
    )
    http_predecessor_socket: Path | None = Field(
        None,
        description="Unix socket (HTTP_HANDOVER_SOCKET) of the process that this one replaces; its public port is used "
        "instead of HTTP_PORT, and its management port in addition to HTTP_MANAGEMENT_PORT; unset: this process "
        "replaces none",
    )
    log_level: str = "info"
    database_pool_size: int = Field(
        8,
        ge=2,
        description="connections of each of the two pools (requests, background work). The relay has one more, "
        "and another one while rows are set aside",
    )
    request_statement_seconds: float = Field(5, gt=0, description="deadline of a statement of a request")
    background_statement_seconds: float = Field(
        30, gt=0, description="deadline of a statement of the consumer or a job"
    )
    max_body_bytes: int = 64 * 1024
    body_seconds: float = Field(10, gt=0, description="how long a request's body may take to arrive")
    http_max_connections: int = Field(
        2_000, ge=1, description="with this number of open connections, requests are answered 503"
    )
    http_management_max_connections: int = Field(
        100, ge=1, description="with this number of open connections of the management port, it answers 503"
    )
    http_announce_close_seconds: float = Field(
        0,
        ge=0,
        description="how long after SIGTERM the public port still accepts connections; each answer then announces "
        "that its connection is closed",
    )
    http_caller_rate: float = Field(
        50, gt=0, description="requests per second that this process answers to one caller, on average"
    )
    http_caller_burst: int = Field(
        500, ge=1, description="requests that a caller may send at once, after a pause"
    )
    tuning_off: str = Field(
        "", description="files of chassis.tuning to switch off, separated by commas; or all"
    )
    batch_size: int = Field(
        500, ge=1, description="maximum number of messages in one transaction of the consumer"
    )
    linger_seconds: float = Field(0, ge=0, description="pause after a batch that was not full")
    defer_seconds: float = Field(
        0.1, ge=0, description="maximum delay of a batch that has only deferrable events"
    )
    max_attempts: int = Field(4, ge=1, description="tries of one event before it becomes a dead letter")
    breaker_keys: int = Field(
        20,
        ge=0,
        description="the breaker opens when events of this many keys in a row fail with the same error: then failing "
        "events of the type wait and make no dead letters; 0: it never opens",
    )
    retry_seconds: float = Field(0.1, ge=0, description="first pause between tries; it doubles, with jitter")
    kafka_session_timeout_ms: int = 10_000
    # A static member keeps its partitions when it restarts within the session timeout. It does not get partitions that
    # were added to a topic while it did not run.
    kafka_group_instance_id: str | None = None
    outbox_retention: timedelta = Field(
        timedelta(days=8),
        description="how long sent outbox rows are kept, so that a lost topic can be filled again",
    )
    # Kafka's defaults (7 days, in segments of 7 days), and the 8 days in which an outbox can publish an event again.
    inbox_retention: timedelta = Field(
        timedelta(days=23),
        description="how long inbox rows are kept; longer than a topic can deliver an event",
    )

    @field_validator("database_url")
    @classmethod
    def _names_a_database(cls, url: SecretStr) -> SecretStr:
        # asyncpg's messages contain parts of a URL that it cannot read, perhaps with a password.
        if url.get_secret_value() and not _is_database_url(url.get_secret_value()):
            raise ValueError("DATABASE_URL must look like postgresql://role:password@host:port/database")
        return url

    @field_validator("database_password_file", "kafka_sasl_password_file")
    @classmethod
    def _has_a_password(cls, file: Path | None) -> Path | None:
        if file is not None:
            try:
                read_password(file)
            except OSError as error:
                raise ValueError(f"no password can be read there ({type(error).__name__})") from None
        return file

    @field_validator("oidc_issuer")
    @classmethod
    def _names_an_issuer(cls, url: str) -> str:
        if not is_http_url(url):
            raise ValueError("OIDC_ISSUER must look like https://issuer.example or http://host:port")
        return url

    @model_validator(mode="after")
    def _sasl_needs_a_login(self) -> Self:
        has_file = self.kafka_sasl_password_file is not None
        has_login = self.kafka_sasl_username and (self.kafka_sasl_password or has_file)
        if self.kafka_security_protocol.startswith("SASL") and not has_login:
            raise ValueError(
                f"{self.kafka_security_protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, "
                "or KAFKA_SASL_PASSWORD_FILE"
            )
        if has_file and self.kafka_sasl_password:
            raise ValueError("set KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE, and not both")
        if has_file and self.kafka_sasl_mechanism == "PLAIN":
            raise ValueError("KAFKA_SASL_PASSWORD_FILE needs a KAFKA_SASL_MECHANISM of SCRAM")
        return self

    @model_validator(mode="after")
    def _one_transaction_has_no_orchestrator(self) -> Self:
        if self.is_single and self.is_orchestrated:
            raise ValueError("SHOP_TX=single has no steps to direct: leave out SHOP_SAGA=orchestrated")
        if self.is_single and not self.modules:
            raise ValueError(
                "SHOP_TX=single needs the modules of the saga in one database: set LOCAL_MODULES"
            )
        return self

    @property
    def has_kafka(self) -> bool:
        """Whether there is a broker. Without one, all topics are in the database."""
        return self.kafka_bootstrap_servers != NO_KAFKA

    @property
    def is_orchestrated(self) -> bool:
        """Whether an orchestrator directs the saga."""
        return self.saga == "orchestrated"

    @property
    def is_single(self) -> bool:
        """Whether the saga is one transaction."""
        return self.tx == "single"

    @property
    def modules(self) -> frozenset[str]:
        """The services whose outboxes are in this service's database. Empty if it has a database for itself."""
        return frozenset(name.strip() for name in self.local_modules.split(",") if name.strip())

    @property
    def database_password(self) -> Callable[[], str] | None:
        """Reads the password for `database_url` from its file. None if there is no file."""
        file = self.database_password_file
        return None if file is None else partial(read_password, file)

    @property
    def kafka(self) -> dict[str, Any]:
        """The broker's address and the login, as arguments of any client of aiokafka."""
        protocol = self.kafka_security_protocol
        access: dict[str, Any] = {
            "bootstrap_servers": self.kafka_bootstrap_servers,
            "security_protocol": protocol,
        }
        if protocol.endswith("SSL"):
            access["ssl_context"] = ssl.create_default_context(cafile=self.kafka_ssl_cafile)
        if protocol.startswith("SASL"):
            access["sasl_mechanism"] = self.kafka_sasl_mechanism
            access["sasl_plain_username"] = self.kafka_sasl_username
            file = self.kafka_sasl_password_file
            password = self.kafka_sasl_password.get_secret_value()
            access["sasl_plain_password"] = password if file is None else PasswordInFile(file)
        return access


def is_http_url(url: str) -> bool:
    """Whether it is the address of an HTTP server, as OpenID Connect wants it: without user, query and fragment."""
    try:
        parts = urlsplit(url)
        has_host = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_printable = url.isascii() and url.isprintable() and " " not in url
    return has_host and is_printable and "@" not in parts.netloc and not parts.query and not parts.fragment


def _is_database_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("postgresql", "postgres") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
