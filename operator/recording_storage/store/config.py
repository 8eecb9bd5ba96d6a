"""The settings store's own settings: from the command line, else from `RECORDING_STORAGE_…` in the environment."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from recording_storage.domain.address import Address
from recording_storage.store.database.engine import DatabaseUrlError, parse_url


class ConfigError(ValueError):
    """A setting is missing or makes no sense; one line that names the option."""


class StoreConfig(BaseSettings):
    """Everything that a store is started with; each field is an option of `recording-storage store`."""

    model_config = SettingsConfigDict(
        env_prefix="RECORDING_STORAGE_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    listen: str = "127.0.0.1:8080"
    """The public API."""
    internal_listen: str = "127.0.0.1:8081"
    """The uploaders' and the operator's side, health and metrics."""
    database: SecretStr = SecretStr("sqlite:///store.db")
    """SQLAlchemy URL; it may hold a password."""
    master_key_file: Path
    """Seals the stored secrets; see `secrets_box`."""
    create_master_key: bool = False
    """Make the key file when it is absent."""
    media: Path = Path("media")
    """Folder of the media of recordings made while external storage is off."""
    allow_endpoint: Annotated[tuple[str, ...], NoDecode] = ()
    """S3-compatible endpoints, and any at private addresses or plain http, that settings may name."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    internal_tls_cert: Path | None = None
    internal_tls_key: Path | None = None
    operator_service_account: str = ""
    """NAMESPACE:NAME of the operator's ServiceAccount."""
    kubeconfig: Path | None = None
    """For TokenReview; default: the cluster that the store runs in, if it runs in one."""
    max_media_bytes: int = Field(default=64 * 2**30, gt=0)
    """The largest recording taken into the store's own media storage."""

    @field_validator("allow_endpoint", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """In the environment: separated by commas or spaces."""
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("allow_endpoint")
    @classmethod
    def _endpoints(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for endpoint in value:
            parts = urlsplit(endpoint)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
                raise ValueError(f"{endpoint!r} is no endpoint; write https://HOST[:PORT]")
        return tuple(endpoint.rstrip("/") for endpoint in value)

    @field_validator("listen", "internal_listen")
    @classmethod
    def _address(cls, value: str) -> str:
        Address.parse(value)
        return value

    @field_validator("database")
    @classmethod
    def _database(cls, value: SecretStr) -> SecretStr:
        try:
            parse_url(value.get_secret_value())
        except DatabaseUrlError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("operator_service_account")
    @classmethod
    def _service_account(cls, value: str) -> str:
        namespace, _, name = value.partition(":")
        if value and not (namespace and name and ":" not in name):
            raise ValueError(f"{value!r} is no NAMESPACE:NAME")
        return value

    @model_validator(mode="after")
    def _tls(self) -> Self:
        for prefix in ("", "internal_"):
            pair = getattr(self, f"{prefix}tls_cert"), getattr(self, f"{prefix}tls_key")
            if (pair[0] is None) != (pair[1] is None):
                option = prefix.replace("_", "-")
                raise ValueError(f"--{option}tls-cert and --{option}tls-key belong together")
        if self.internal_tls_cert is None and not self.internal_address.is_loopback:
            raise ValueError(
                f"--internal-listen {self.internal_listen}: bucket credentials pass here, so other than on loopback it "
                "needs TLS; give --internal-tls-cert and --internal-tls-key"
            )
        return self

    @property
    def address(self) -> Address:
        """Of the public API."""
        return Address.parse(self.listen)

    @property
    def internal_address(self) -> Address:
        """Of the internal API."""
        return Address.parse(self.internal_listen)


def load_config(**options: object) -> StoreConfig:
    """Put options over the environment; options that are None were not given.

    Raises ConfigError: one line for a person.
    """
    try:
        return StoreConfig(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigError(_line(error)) from None


def _line(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    option = "--" + str(first["loc"][0]).replace("_", "-")
    return f"{option} is missing" if first["type"] == "missing" else f"{option}: {message}"
