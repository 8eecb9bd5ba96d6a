"""The headers that a destination's settings put on its requests."""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from recording_storage.domain.failures import Capability, FailureClass, S3Failure
from recording_storage.domain.policy import ServerSideEncryption
from recording_storage.s3.types import Credential, Destination

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PRINTABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9_.@+=-]{1,128}")
_STANDARD = frozenset({"", "STANDARD"})


class DestinationHeaders:
    """A destination's headers, worked out once. Raises `S3Failure` (`HOLD`) for options that no header can hold."""

    def __init__(self, destination: Destination) -> None:
        self.for_request: dict[str, str] = {}
        """On every request: whose bucket it must be."""
        if destination.expected_bucket_owner:
            self.for_request["x-amz-expected-bucket-owner"] = destination.expected_bucket_owner
        self._protection = dict(self.for_request)
        if destination.sse == ServerSideEncryption.S3:
            self._protection["x-amz-server-side-encryption"] = "AES256"
        elif destination.sse == ServerSideEncryption.KMS:
            self._protection["x-amz-server-side-encryption"] = "aws:kms"
            if destination.kms_key_id:
                self._protection["x-amz-server-side-encryption-aws-kms-key-id"] = destination.kms_key_id
        for name, value in self._protection.items():
            _check_option(name, value)
        _check_option("x-amz-storage-class", destination.storage_class)
        self._optional: dict[Capability, tuple[str, str]] = {}
        if destination.storage_class not in _STANDARD:
            self._optional[Capability.STORAGE_CLASS] = ("x-amz-storage-class", destination.storage_class)
        if destination.tags:
            self._optional[Capability.TAGGING] = ("x-amz-tagging", urlencode(dict(destination.tags)))

    def of_object(self, *, content_type: str, metadata: Mapping[str, str]) -> "ObjectHeaders":
        """Those of a request that makes an object.

        Raises:
            ValueError: the media type, or the metadata, can't be put into headers.
        """
        described = {"content-type": check_content_type(content_type), **self._protection}
        return ObjectHeaders(described, optional=self._optional, metadata=metadata_headers(metadata))


class ObjectHeaders:
    def __init__(
        self,
        always: Mapping[str, str],
        *,
        optional: Mapping[Capability, tuple[str, str]],
        metadata: Mapping[str, str],
    ) -> None:
        self._always = always
        self._optional = {name: dict((pair,)) for name, pair in optional.items()}
        if metadata:
            self._optional[Capability.METADATA] = dict(metadata)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What a server must know for all of them."""
        return frozenset(self._optional)

    def among(self, active: frozenset[Capability]) -> dict[str, str]:
        """With those capabilities that the server has."""
        headers = dict(self._always)
        for capability, named in self._optional.items():
            if capability in active:
                headers |= named
        return headers


def check_credential(credential: Credential) -> None:
    """Refuse a key pair that can't be put into a header.

    Raises:
        S3Failure: `CREDENTIAL`.
    """
    token = credential.session_token or "-"
    if not (_ACCESS_KEY_ID.fullmatch(credential.access_key_id) and _PRINTABLE.fullmatch(token)):
        raise S3Failure(
            FailureClass.CREDENTIAL,
            code="InvalidAccessKeyId",
            message="the access key id, or the session token, has characters that no key has",
        )


def check_content_type(content_type: str) -> str:
    """The media type, if it can be put into a header.

    Raises:
        ValueError: it can't.
    """
    if not _PRINTABLE.fullmatch(content_type):
        raise ValueError(f"{content_type!r} is no media type")
    return content_type


def _check_option(name: str, value: str) -> None:
    if value and not _PRINTABLE.fullmatch(value):
        raise S3Failure(
            FailureClass.HOLD,
            code="InvalidOption",
            message=f"the value {value[:80]!r} of {name} can't be put into a header",
        )


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """User metadata as headers; what isn't ASCII is encoded by RFC 2047, as S3 itself gives it back.

    Raises:
        ValueError: a name is no header's name, or a value has control characters.
    """
    headers: dict[str, str] = {}
    for name, value in metadata.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} can't be the name of object metadata: use letters, digits, '-' and '_'")
        if _CONTROL.search(value):
            raise ValueError(f"the value of object metadata {name!r} has a control character")
        headers[f"x-amz-meta-{name.lower()}"] = header_value(value)
    return headers


def header_value(value: str) -> str:
    """As it is sent. What would not come back as it is, spaces at the ends or what looks encoded, is encoded, too."""
    if value.isascii() and value == value.strip() and "=?" not in value:
        return value
    from email.header import Header  # noqa: PLC0415 - rare, and a package of its own to load

    return Header(value, "utf-8").encode(maxlinelen=0)
