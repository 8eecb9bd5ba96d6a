"""The uploader's own configuration, for running alone: a YAML file, read strictly."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import yaml

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
    from enum import StrEnum
    from pathlib import Path


class ConfigError(ValueError):
    """The configuration can't be used; one line that names file, field, value (no secret) and remedy."""


class Seconds(float):
    """Written as a duration, or as a bare number."""


class Secret(str):
    """Never shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


class TemplateText(str):
    """A key template that has been looked at."""

    __slots__ = ()


class Unavailable:
    """A section that this version refuses."""


class _Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class DestinationConfig(_Strict, frozen=True):
    """The bucket, and the key pair for it."""

    url: str
    access_key_id: str
    secret_access_key: Secret
    region: str = ""
    session_token: Secret | None = None
    ca_file: str = ""
    """PEM; relative to the configuration."""
    expected_bucket_owner: str = ""


class PolicyConfig(_Strict, frozen=True):
    """How objects are named and stored, and when a recording is given up."""

    retry_window: Seconds = Seconds(DEFAULT_RETRY_WINDOW)
    fatal_error_policy: FatalErrorPolicy = FatalErrorPolicy.RETAIN
    key_template: TemplateText = TemplateText(DEFAULT_TEMPLATE)
    storage_class: str = ""
    server_side_encryption: ServerSideEncryption = ServerSideEncryption.NONE
    kms_key_id: str = ""
    tags: Annotated[dict[str, str], msgspec.Meta(max_length=10)] = {}


class Config(_Strict, frozen=True):
    """The whole file."""

    destination: DestinationConfig
    allow_http: bool = False
    encryption: Unavailable | None = None
    policy: PolicyConfig = PolicyConfig()
    settle: Seconds = Seconds(DEFAULT_SETTLE)
    """Seconds without a change before a file counts as finished."""


def _read_value(kind: type, value: object) -> object:
    """What is written in the file as one of our own types. Raises ValueError, whose words get the field in front."""
    if kind is Unavailable:
        raise ValueError(
            "is not available in this version, and nothing is uploaded in clear instead;"
            " remove the section only if recordings may be stored unencrypted"
        )
    if kind is Seconds:
        return Seconds(_duration(value))
    if not isinstance(value, str):
        raise ValueError("must be a text")  # noqa: TRY004 - what msgspec takes
    return Secret(value) if kind is Secret else TemplateText(KeyTemplate.parse(value).text)


def _duration(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("must be a duration such as 30s, 5m, 2h")  # noqa: TRY004 - what msgspec takes
    seconds = parse_duration(value) if isinstance(value, str) else float(value)
    if seconds < 0:
        raise ValueError(f"{value!r} must not be negative")
    return seconds


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
        return msgspec.convert(document, Config, dec_hook=_read_value)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_fault(str(error), document)}") from None


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
            str(wanted.secret_access_key),
            str(wanted.session_token) if wanted.session_token else None,
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
_ENUMS: dict[str, type[StrEnum]] = {
    "fatalErrorPolicy": FatalErrorPolicy,
    "serverSideEncryption": ServerSideEncryption,
}
_PLACED = re.compile(r"(?P<words>.*?)(?: - at `\$\.?(?P<where>.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_WRONG_TYPE = re.compile(r"Expected `(.*?)`, got `(.*?)`")
_TYPES = {"str": "a text (in quotes where it looks like a number)", "bool": "true or false", "object": "a mapping"}


def _fault(message: str, document: dict[str, Any]) -> str:
    """The field, its value unless that may be a secret, and the remedy."""
    placed = _PLACED.fullmatch(message)
    assert placed is not None
    words, where = placed["words"], placed["where"] or ""
    inside = f"{where}." if where else ""
    if unknown := _UNKNOWN.fullmatch(words):
        return f"{inside}{unknown[1]} is unknown; check its spelling, or remove it"
    if missing := _MISSING.fullmatch(words):
        return f"{inside}{missing[1]} is missing; add it"
    if wrong := _WRONG_TYPE.fullmatch(words):
        kind = wrong[1].split(" | ")[0]
        return f"{where} must be {_TYPES.get(kind, kind)}"
    if words.startswith("Invalid enum value") and (enum := _ENUMS.get(where.rpartition(".")[2])):
        value = document["policy"][where.rpartition(".")[2]]
        return f"{where} {value!r} must be {' or '.join(repr(member.value) for member in enum)}"
    return f"{where} {words[:1].lower()}{words[1:]}"
