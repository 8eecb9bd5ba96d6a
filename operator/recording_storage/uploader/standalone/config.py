"""The uploader's own configuration, for running alone: a YAML file, read strictly."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from recording_storage.domain.bucket_url import BucketLocation, BucketUrlError, named_endpoint, parse_bucket_url
from recording_storage.domain.durations import shown
from recording_storage.domain.object_key import DEFAULT_TEMPLATE
from recording_storage.domain.policy import (
    DEFAULT_DENIAL_GRACE,
    DEFAULT_RETRY_WINDOW,
    FatalErrorPolicy,
    ObjectMetadata,
    ServerSideEncryption,
)
from recording_storage.domain.states import Product
from recording_storage.protocol.plan import AccountPlan, CredentialPlan, DestinationPlan, ProductPlan
from recording_storage.uploader.core.plans import LOCAL_ACCOUNT
from recording_storage.uploader.spool.completion import DEFAULT_SETTLE
from recording_storage.uploader.standalone.messages import fault_of
from recording_storage.uploader.standalone.values import (
    AccessKeyId,
    DenialGrace,
    HeaderText,
    Moment,
    RetryWindow,
    SecretKey,
    SessionToken,
    Settle,
    Tags,
    TemplateText,
    read_value,
)
from recording_storage.uploader.standalone.yaml_file import DocumentError, read_document

if TYPE_CHECKING:
    from pathlib import Path


class ConfigError(ValueError):
    """The configuration can't be used; one line that names file, field, value (no secret) and remedy."""

    def __init__(self, message: str) -> None:
        super().__init__("".join(letter if letter.isprintable() else " " for letter in message))


class _Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class DestinationConfig(_Strict, frozen=True):
    """The bucket, and the key pair for it."""

    url: str
    access_key_id: AccessKeyId
    secret_access_key: SecretKey
    region: str = ""
    session_token: SessionToken | None = None
    expiration: Moment | None = None
    """When the credential ends, where it is a temporary one."""
    ca_file: str = ""
    """PEM; relative to the configuration."""
    expected_bucket_owner: HeaderText = ""
    trust_unverified: bool = False
    """Use a server that vouches for nothing of what it stores."""


class PolicyConfig(_Strict, frozen=True):
    """How objects are named and stored, and when a recording is given up."""

    retry_window: RetryWindow = RetryWindow(DEFAULT_RETRY_WINDOW)
    fatal_error_policy: FatalErrorPolicy = FatalErrorPolicy.RETAIN
    denial_grace: DenialGrace = DenialGrace(DEFAULT_DENIAL_GRACE)
    key_template: TemplateText = TemplateText(DEFAULT_TEMPLATE)
    storage_class: HeaderText = ""
    server_side_encryption: ServerSideEncryption = ServerSideEncryption.NONE
    kms_key_id: HeaderText = ""
    tags: Tags = msgspec.field(default_factory=Tags)
    object_metadata: ObjectMetadata = ObjectMetadata.SIDS


class Config(_Strict, frozen=True):
    """The whole file."""

    destination: DestinationConfig
    allow_http: bool = False
    encryption: None = None
    """No section is taken yet."""
    policy: PolicyConfig = PolicyConfig()
    settle: Settle = Settle(DEFAULT_SETTLE)
    """Seconds without a change before a file counts as finished."""


def read_config(path: Path) -> Config:
    """Read and check the file.

    Raises:
        ConfigError: it can't be read, or something in it is wrong.
    """
    try:
        document = read_document(path)
    except DocumentError as error:
        where = f", line {error.line}" if error.line is not None else ""
        raise ConfigError(f"{path}{where}: {error}") from None
    try:
        return msgspec.convert(document, Config, dec_hook=read_value)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {fault_of(str(error), document)}") from None


def read_plan(path: Path) -> tuple[Config, AccountPlan]:
    """Read the file, and what it means. Raises ConfigError, whatever is wrong with it."""
    try:
        config = read_config(path)
        return config, _plan_of(config, path)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - a value that nobody thought of ends no uploader, nor is it shown
        raise ConfigError(f"{path}: something in it can't be used ({type(error).__name__})") from None


def _plan_of(config: Config, path: Path) -> AccountPlan:
    try:
        return plan_of(config, folder=path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def plan_of(config: Config, *, folder: Path) -> AccountPlan:
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
    terms = DestinationPlan(
        id=destination_id(location, key_template=policy.key_template),
        endpoint=location.endpoint,
        bucket=location.bucket,
        prefix=location.prefix,
        region=location.region,
        addressing=location.style,
        allow_http=location.allow_http,
        allow_private=bool(endpoint),
        key_template=str(policy.key_template),
        ca_bundle=_certificates(folder, wanted.ca_file) if wanted.ca_file else "",
        expected_bucket_owner=wanted.expected_bucket_owner,
        trust_unverified=wanted.trust_unverified,
        storage_class=policy.storage_class,
        server_side_encryption=policy.server_side_encryption,
        kms_key_id=policy.kms_key_id,
        tags=dict(policy.tags),
        object_metadata=policy.object_metadata,
        credential=CredentialPlan(
            sid="local",
            access_key_id=wanted.access_key_id,
            secret_access_key=wanted.secret_access_key,
            session_token=wanted.session_token or None,
            expiration=None if wanted.expiration is None else datetime.fromtimestamp(wanted.expiration, UTC),
        ),
    )
    product = ProductPlan(
        destination_id=terms.id,
        retry_window=float(policy.retry_window),
        fatal_error_policy=policy.fatal_error_policy,
        denial_grace=float(policy.denial_grace),
    )
    return AccountPlan(
        account_sid=LOCAL_ACCOUNT,
        revision=1,
        products=dict.fromkeys(Product, product),
        destinations={terms.id: terms},
    )


def _certificates(folder: Path, name: str) -> str:
    import ssl  # noqa: PLC0415 - each line of a start costs its imports, and most have no such file

    try:
        text = (folder / name).read_text(encoding="ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except ssl.SSLError:  # an OSError, too
        fault = "holds no PEM certificate that can be read; give the CA's, from -----BEGIN CERTIFICATE----- on"
    except OSError as error:
        fault = f"can't be read ({error.strerror})"
    except ValueError:  # no ASCII, nothing at all, or a name with a zero in it
        fault = "is no file of PEM certificates; give the CA's, from -----BEGIN CERTIFICATE----- on"
    else:
        return text
    raise ConfigError(f"destination.caFile {shown(name)} {fault}")


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
