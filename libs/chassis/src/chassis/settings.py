"""What every service is told by its environment."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Settings common to all services; a service adds its own in a subclass.

    Wrong or missing values end the process at start with pydantic's message, which names the variable.
    """

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    service_name: str
    database_url: SecretStr = Field(
        description="postgresql://user:password@host:port/database of the runtime role"
    )
    kafka_bootstrap_servers: str = Field(description="host:port of at least one broker")
    role: Literal["all", "api", "worker"] = Field("all", validation_alias="SHOP_ROLE")
    http_host: str = "127.0.0.1"
    http_port: int = 8000
    log_level: str = "info"
    database_pool_size: int = Field(8, ge=2)
    max_body_bytes: int = 64 * 1024
    batch_size: int = Field(500, ge=1, description="most messages in one transaction of the consumer")
    max_attempts: int = Field(4, ge=1, description="tries of a failing event before it is dead-lettered")
    retry_seconds: float = Field(0.1, ge=0, description="first pause between tries; doubles, with jitter")
    kafka_session_timeout_ms: int = 10_000
    kafka_group_instance_id: str | None = Field(
        None,
        description="a name that a replica keeps over restarts: after a crash it has its partitions back at once",
    )
    outbox_retention: timedelta = Field(
        timedelta(days=8), description="how long topics can be refilled from the outbox"
    )
    inbox_retention: timedelta = Field(
        timedelta(days=8), description="at least the retention of every topic it reads"
    )

    @property
    def runs_api(self) -> bool:
        """Whether this process answers the service's HTTP API."""
        return self.role in ("all", "api")

    @property
    def runs_worker(self) -> bool:
        """Whether this process runs the consumer, the relay and the jobs."""
        return self.role in ("all", "worker")
