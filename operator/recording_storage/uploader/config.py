"""The uploader's own configuration, for running alone: a YAML file, read strictly."""

from __future__ import annotations

import hashlib
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from recording_storage.domain.bucket_url import BucketLocation, BucketUrlError, named_endpoint, parse_bucket_url
from recording_storage.domain.durations import parse_duration
from recording_storage.domain.object_key import DEFAULT_TEMPLATE, KeyTemplate
from recording_storage.domain.policy import (
    DEFAULT_RETRY_WINDOW,
    FatalErrorPolicy,
    ServerSideEncryption,
    UploadPolicy,
)
from recording_storage.domain.states import Product
from recording_storage.s3.types import Credential
from recording_storage.uploader.finish import DEFAULT_SETTLE
from recording_storage.uploader.plans import LOCAL_ACCOUNT, DestinationTerms, Plan, ProductTerms

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class ConfigError(ValueError):
    """The configuration can't be used; one line that names file, field, value (no secret) and remedy."""


class _Strict(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=False, extra="forbid", frozen=True, hide_input_in_errors=True
    )


def _duration(value: object) -> float:
    """Seconds; a bare number means seconds, too."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("must be a duration such as 30s, 5m, 2h")  # noqa: TRY004 - what pydantic takes
    seconds = parse_duration(value) if isinstance(value, str) else float(value)
    if seconds < 0:
        raise ValueError("must not be negative")
    return seconds


class DestinationConfig(_Strict):
    """The bucket, and the key pair for it."""

    url: str
    region: str = ""
    access_key_id: str
    secret_access_key: SecretStr
    session_token: SecretStr | None = None
    ca_file: Path | None = None
    """PEM; relative to the configuration."""
    expected_bucket_owner: str = ""


class PolicyConfig(_Strict):
    """How objects are named and stored, and when a recording is given up."""

    retry_window: float = DEFAULT_RETRY_WINDOW
    fatal_error_policy: FatalErrorPolicy = FatalErrorPolicy.RETAIN
    key_template: str = DEFAULT_TEMPLATE
    storage_class: str = ""
    server_side_encryption: ServerSideEncryption = ServerSideEncryption.NONE
    kms_key_id: str = ""
    tags: Annotated[dict[str, str], Field(max_length=10)] = {}

    @field_validator("retry_window", mode="before")
    @classmethod
    def _window(cls, value: object) -> float:
        return _duration(value)

    @field_validator("key_template")
    @classmethod
    def _template(cls, value: str) -> str:
        return KeyTemplate.parse(value).text


class Config(_Strict):
    """The whole file."""

    destination: DestinationConfig
    allow_http: bool = False
    encryption: dict[str, Any] | None = None
    policy: PolicyConfig = PolicyConfig()
    settle: float = DEFAULT_SETTLE
    """Seconds without a change before a file counts as finished."""

    @field_validator("settle", mode="before")
    @classmethod
    def _settle(cls, value: object) -> float:
        return _duration(value)

    @field_validator("encryption")
    @classmethod
    def _no_encryption(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            raise ValueError(
                "is not available in this version, and nothing is uploaded in clear instead;"
                " remove the section only if recordings may be stored unencrypted"
            )
        return value


def read_config(path: Path) -> Config:
    """Read and check the file.

    Raises:
        ConfigError: it can't be read, or something in it is wrong.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: must be UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(
            f"{path}{where}: no YAML: {getattr(error, 'problem', None) or 'it can not be read'}"
        ) from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must hold a mapping with `destination:`")
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_faults(error)}") from None


def read_plan(path: Path) -> tuple[Config, Plan]:
    """Read the file, and what it means. Raises ConfigError."""
    config = read_config(path)
    try:
        return config, plan_of(config, folder=path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def plan_of(config: Config, *, folder: Path) -> Plan:
    """What it means for every recording of the spool.

    Args:
        config: the file's content.
        folder: what its relative paths start from.

    Raises:
        ConfigError: the URL can't be used, or the CA file can't be read.
    """
    wanted, policy = config.destination, config.policy
    try:
        endpoint = named_endpoint(wanted.url)
        location = parse_bucket_url(
            wanted.url,
            region=wanted.region,
            allowed_endpoints=[endpoint] if endpoint else [],
            allow_http=config.allow_http,
        )
    except BucketUrlError as error:
        hint = "; set allowHttp: true if that is meant" if "http sends" in str(error) else ""
        raise ConfigError(f"destination.url: {error}{hint}") from None
    try:
        ca_bundle = (folder / wanted.ca_file).read_text(encoding="ascii") if wanted.ca_file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"destination.caFile: {wanted.ca_file} can't be read as PEM ({error})") from None
    terms = DestinationTerms(
        id=destination_id(location, key_template=policy.key_template),
        endpoint=location.endpoint,
        bucket=location.bucket,
        prefix=location.prefix,
        region=location.region,
        addressing=location.style.value,
        allow_http=location.allow_http,
        allow_private=bool(endpoint),
        key_template=policy.key_template,
        ca_bundle=ca_bundle,
        expected_bucket_owner=wanted.expected_bucket_owner,
        storage_class=policy.storage_class,
        server_side_encryption=policy.server_side_encryption.value,
        kms_key_id=policy.kms_key_id,
        tags=policy.tags,
        credential=Credential(
            wanted.access_key_id,
            wanted.secret_access_key.get_secret_value(),
            wanted.session_token.get_secret_value() if wanted.session_token else None,
        ),
        credential_sid="local",
    )
    product = ProductTerms(
        destination_id=terms.id,
        policy=UploadPolicy(retry_window=policy.retry_window, fatal_error_policy=policy.fatal_error_policy),
    )
    return Plan(
        account_sid=LOCAL_ACCOUNT,
        revision=1,
        products=dict.fromkeys(Product, product),
        destinations={terms.id: terms},
    )


def destination_id(location: BucketLocation, *, key_template: str, encryption_key_sid: str = "") -> str:
    """What a recording is pinned to: everything that decides where its object is, and how it is encrypted."""
    identity = (
        location.endpoint,
        location.bucket,
        location.prefix,
        location.region,
        key_template,
        encryption_key_sid,
    )
    return hashlib.sha256("\0".join(identity).encode()).hexdigest()[:32]


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SECRETS = frozenset({"secretAccessKey", "sessionToken"})
_REMEDIES = {
    "extra_forbidden": "is unknown; check its spelling, or remove it",
    "missing": "is missing; add it",
    "model_type": "must be a mapping, with its fields indented below it",
}
_UNSHOWN = frozenset({"missing", "extra_forbidden", "model_type"})
"""Faults whose value is not a field's: it may be a secret that was written in the wrong place."""


_SHOWN_FAULTS = 3


def _faults(error: ValidationError) -> str:
    """What is wrong, unknown keys first: a misspelt key is why another one is missing."""
    faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    more = f" (and {len(faults) - _SHOWN_FAULTS} more)" if len(faults) > _SHOWN_FAULTS else ""
    return "; ".join(_fault(fault) for fault in faults[:_SHOWN_FAULTS]) + more


def _fault(fault: ErrorDetails) -> str:
    """The field, its value unless that may be a secret, and the remedy."""
    where = ".".join(str(part) for part in fault["loc"])
    words = fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    remedy = _REMEDIES.get(fault["type"]) or words
    secret = bool(_SECRETS.intersection(str(part) for part in fault["loc"])) or fault["type"] in _UNSHOWN
    plain = isinstance(fault["input"], (str, int, float, bool)) and repr(fault["input"]) not in remedy
    value = f" {fault['input']!r}" if plain and not secret else ""
    return f"{where}{value} {remedy}"
