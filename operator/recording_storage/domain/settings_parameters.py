"""The parameters of a POST of recording settings: how each is read, and what can't be taken."""

import json
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from recording_storage.domain.durations import format_duration, parse_duration
from recording_storage.domain.object_key import DEFAULT_TEMPLATE, KeyTemplate
from recording_storage.domain.policy import (
    DEFAULT_DENIAL_GRACE,
    DEFAULT_RETRY_WINDOW,
    MAX_DENIAL_GRACE,
    MAX_RETRY_WINDOW,
    FatalErrorPolicy,
    ObjectMetadata,
    ServerSideEncryption,
)
from recording_storage.domain.sids import SidPrefix, is_sid

MAX_FRIENDLY_NAME = 256
MAX_URL = 2048
MAX_CA_BUNDLE = 128 * 1024
"""Characters; a bundle of some dozen certificates."""
MAX_TAGS = 10
"""S3's limit for an object."""
DEFAULT_WINDOW = format_duration(DEFAULT_RETRY_WINDOW)
DEFAULT_GRACE = format_duration(DEFAULT_DENIAL_GRACE)
"""As a POST, a resource and an answer write them."""
DEFAULT_STORAGE_CLASS = "STANDARD"

_STORAGE_CLASS = re.compile(r"[A-Z][A-Z_0-9]{0,63}")
_REGION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_OWNER = re.compile(r"[0-9]{12}")
_KMS_KEY = re.compile(r"[A-Za-z0-9:/_.-]{1,2048}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_TAG = re.compile(r"[\w .:/=+@-]*")


class SettingsError(ValueError):
    """A parameter that can't be taken; the message names it, the fault and the remedy."""

    def __init__(self, parameter: str, fault: str) -> None:
        super().__init__(f"{parameter}: {fault}")
        self.parameter = parameter


Parser = Callable[[str, str], Any]
"""(parameter's name, text) → value; raises SettingsError."""


def parse_boolean(parameter: str, text: str) -> bool:
    """Read `true` or `false`. Raises SettingsError."""
    match text.strip().lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise SettingsError(parameter, "it is true or false")


def _flag(parameter: str, text: str) -> bool:
    """As `parse_boolean`, but unset is false."""
    return parse_boolean(parameter, text) if text.strip() else False


def _text(limit: int) -> Parser:
    def parse(parameter: str, text: str) -> str:
        if len(text) > limit:
            raise SettingsError(parameter, f"it has {len(text)} characters; {limit} are the limit")
        if _CONTROL.search(text):
            raise SettingsError(parameter, "it has control characters; leave them out")
        return text.strip()

    return parse


def _sid(parameter: str, text: str) -> str:
    text = text.strip()
    if text and not is_sid(text, SidPrefix.CREDENTIAL):
        raise SettingsError(parameter, "it is no sid of the form CR and 32 lower-case hexadecimal digits")
    return text


def _pattern(pattern: re.Pattern[str], wanted: str, *, default: str = "") -> Parser:
    def parse(parameter: str, text: str) -> str:
        text = text.strip() or default
        if text and not pattern.fullmatch(text):
            raise SettingsError(parameter, f"it is {wanted}")
        return text

    return parse


def _duration(what: str, *, default: str, longest: float) -> Callable[[str, str], str]:
    """`longest` in seconds."""

    def parse(parameter: str, text: str) -> str:
        text = text.strip() or default
        text = f"{text}s" if text.isascii() and text.isdigit() else text
        if len(text) > 32:  # noqa: PLR2004 - longer is no duration that anyone writes
            raise SettingsError(parameter, f"write a duration such as 30m or {default}")
        try:
            seconds = parse_duration(text)
        except ValueError as error:
            raise SettingsError(parameter, str(error)) from None
        if not 0 <= seconds <= longest:
            raise SettingsError(parameter, f"the longest {what} is 365d")
        return text

    return parse


def _ca_bundle(parameter: str, text: str) -> str:
    if len(text) > MAX_CA_BUNDLE:
        raise SettingsError(parameter, f"it has {len(text)} characters; {MAX_CA_BUNDLE} are the limit")
    text = text.replace("\r\n", "\n").strip()
    if text and ("-----BEGIN CERTIFICATE-----" not in text or not text.isascii() or "\0" in text):
        raise SettingsError(parameter, "it is one or more PEM certificates")
    if "PRIVATE KEY" in text:
        raise SettingsError(parameter, "there is a private key in it; only certificates belong here")
    return text and text + "\n"


def _tags(parameter: str, text: str) -> dict[str, str]:
    if not text.strip():
        return {}
    wrong = SettingsError(parameter, 'it is a JSON object of texts, for example {"team": "voice"}')
    if len(text) > MAX_TAGS * 1000:
        raise wrong
    try:
        tags = json.loads(text)
    except (ValueError, RecursionError):
        raise wrong from None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise wrong
    if len(tags) > MAX_TAGS:
        raise SettingsError(parameter, f"S3 takes {MAX_TAGS} tags for an object, these are {len(tags)}")
    for name, value in tags.items():
        if not 1 <= len(name) <= 128 or len(value) > 256 or name.lower().startswith("aws:"):  # noqa: PLR2004 - S3's limits
            raise SettingsError(parameter, "a name has 1 to 128 characters and not aws: before it, a value up to 256")
        if not _TAG.fullmatch(name) or not _TAG.fullmatch(value):
            raise SettingsError(parameter, "letters, digits, spaces and . : / = + - _ @ are what S3 takes in tags")
    return tags


def _callback(parameter: str, text: str) -> str:
    text = _text(MAX_URL)(parameter, text)
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or " " in text:
        raise SettingsError(parameter, "it is an absolute http or https URL")
    return text


def _method(parameter: str, text: str) -> str:
    method = text.strip().upper() or "POST"
    if method not in {"GET", "POST"}:
        raise SettingsError(parameter, "it is GET or POST")
    return method


def _one_of(default: StrEnum) -> Parser:
    values = type(default)

    def parse(parameter: str, text: str) -> StrEnum:
        try:
            return values(text.strip() or default)
        except ValueError:
            raise SettingsError(parameter, f"it is one of {', '.join(values)}") from None

    return parse


def _key_template(parameter: str, text: str) -> str:
    if len(text) > 512:  # noqa: PLR2004 - half of what S3 takes for a key
        raise SettingsError(parameter, "512 characters are the limit")
    try:
        return KeyTemplate.parse(_text(512)(parameter, text) or DEFAULT_TEMPLATE).text
    except ValueError as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(parameter, str(error)) from None


PARAMETERS: Mapping[str, tuple[str, Parser]] = {
    "FriendlyName": ("friendly_name", _text(MAX_FRIENDLY_NAME)),
    "AwsCredentialsSid": ("aws_credentials_sid", _sid),
    "AwsS3Url": ("aws_s3_url", _text(MAX_URL)),
    "AwsStorageEnabled": ("aws_storage_enabled", parse_boolean),
    "EncryptionKeySid": ("encryption_key_sid", _sid),
    "EncryptionEnabled": ("encryption_enabled", parse_boolean),
    "Region": ("region", _pattern(_REGION, "a region's name such as eu-west-1")),
    "CaBundle": ("ca_bundle", _ca_bundle),
    "ExpectedBucketOwner": ("expected_bucket_owner", _pattern(_OWNER, "an AWS account id of 12 digits")),
    "RetryWindow": (
        "retry_window",
        _duration("retry window", default=DEFAULT_WINDOW, longest=MAX_RETRY_WINDOW),
    ),
    "FatalErrorPolicy": ("fatal_error_policy", _one_of(FatalErrorPolicy.RETAIN)),
    "DenialGrace": (
        "denial_grace",
        _duration("denial grace", default=DEFAULT_GRACE, longest=MAX_DENIAL_GRACE),
    ),
    "KeyTemplate": ("key_template", _key_template),
    "StorageClass": (
        "storage_class",
        _pattern(_STORAGE_CLASS, "a storage class such as STANDARD_IA", default=DEFAULT_STORAGE_CLASS),
    ),
    "ServerSideEncryption": (
        "server_side_encryption",
        _one_of(ServerSideEncryption.NONE),
    ),
    "KmsKeyId": ("kms_key_id", _pattern(_KMS_KEY, "a KMS key's id or ARN")),
    "Tags": ("tags", _tags),
    "ObjectMetadata": ("object_metadata", _one_of(ObjectMetadata.SIDS)),
    "TrustUnverified": ("trust_unverified", _flag),
    "StatusCallback": ("status_callback", _callback),
    "StatusCallbackMethod": ("status_callback_method", _method),
}
"""Each one's field, and how its text is read: the documented ones of the hosted service, then this store's own."""
