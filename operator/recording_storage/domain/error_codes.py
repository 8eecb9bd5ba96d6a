"""Which decision an S3 server's answer carries: one class, read from it by pure functions.

The tables are the documentation; `tests/domain/test_failures.py` walks over every row. Source: the S3 API's list of
error codes, and what versitygw, MinIO and moto were seen to answer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from recording_storage.domain.failures import Capability, FailureClass, S3Failure
from recording_storage.domain.retry_after import http_date, retry_after_of


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What `classify` reads from an answer."""

    kind: FailureClass
    retry_after: float | None = None
    region: str | None = None
    server_date: float | None = None
    uncertain: bool = False
    capability: Capability | None = None


_T, _TH, _H, _C = FailureClass.TRANSIENT, FailureClass.THROTTLED, FailureClass.HOLD, FailureClass.CREDENTIAL
_F, _M, _D, _R = FailureClass.FILE, FailureClass.MULTIPART_LOST, FailureClass.DIGEST, FailureClass.REFUSED

BY_CODE: Mapping[str, FailureClass] = {
    # the server's own trouble, and clocks
    "InternalError": _T,
    "InternalServerError": _T,
    "InternalFailure": _T,
    "ServiceUnavailable": _T,
    "RequestTimeout": _T,
    "RequestTimeTooSkewed": _T,
    "RequestExpired": _T,
    "OperationAborted": _T,
    "ConditionalRequestConflict": _T,
    "IncompleteBody": _T,
    "ServerNotInitialized": _T,
    "XMinioServerNotInitialized": _T,
    "KMS.DependencyTimeoutException": _T,
    "KMS.KMSInternalException": _T,
    "KMS.InternalFailureException": _T,
    # too much at once
    "SlowDown": _TH,
    "SlowDownRead": _TH,
    "SlowDownWrite": _TH,
    "Throttling": _TH,
    "ThrottlingException": _TH,
    "ThrottledException": _TH,
    "TooManyRequests": _TH,
    "TooManyRequestsException": _TH,
    "RequestLimitExceeded": _TH,
    "BandwidthLimitExceeded": _TH,
    "RequestThrottled": _TH,
    "KMS.ThrottlingException": _TH,
    # the key
    "ExpiredToken": _C,
    "ExpiredTokenException": _C,
    "InvalidAccessKeyId": _C,
    "InvalidClientTokenId": _C,
    "SignatureDoesNotMatch": _C,
    "InvalidToken": _C,
    "TokenRefreshRequired": _C,
    "InvalidSecurity": _C,
    "Unauthorized": _C,
    # the rights
    "AccessDenied": FailureClass.FATAL,
    "AllAccessDisabled": FailureClass.FATAL,
    "KMS.AccessDeniedException": FailureClass.FATAL,
    # the bucket, its owner's account, its space, its key management
    "NoSuchBucket": _H,
    "InvalidBucketName": _H,
    "PermanentRedirect": _H,
    "TemporaryRedirect": _H,
    "Redirect": _H,
    "AuthorizationHeaderMalformed": _H,
    "IllegalLocationConstraintException": _H,
    "IncorrectEndpoint": _H,
    "AccountProblem": _H,
    "NotSignedUp": _H,
    "InvalidPayer": _H,
    "MethodNotAllowed": _H,
    "InvalidBucketState": _H,
    "QuotaExceeded": _H,
    "BucketQuotaExceeded": _H,
    "XMinioAdminBucketQuotaExceeded": _H,
    "XMinioStorageFull": _H,
    "StorageFull": _H,
    "InsufficientStorage": _H,
    "InsufficientCapacity": _H,
    "KMS.DisabledException": _H,
    "KMS.NotFoundException": _H,
    "KMS.InvalidStateException": _H,
    "KMS.KMSInvalidStateException": _H,
    "KMS.InvalidKeyUsageException": _H,
    "KMSNotConfigured": _H,
    "KMSKeyNotFoundException": _H,
    "InvalidEncryptionAlgorithmError": _H,
    "ServerSideEncryptionConfigurationNotFoundError": _H,
    # the multipart upload
    "NoSuchUpload": _M,
    "InvalidPart": _M,
    "InvalidPartOrder": _M,
    "EntityTooSmall": _M,
    # what arrived is not what was sent
    "BadDigest": _D,
    "InvalidDigest": _D,
    "XAmzContentSHA256Mismatch": _D,
    "XAmzContentChecksumMismatch": _D,
    "ChecksumMismatch": _D,
    # the key is taken
    "PreconditionFailed": FailureClass.PRECONDITION,
    # this one recording: its size, its key, its own metadata. What isn't known to be about one object is no part of it
    "EntityTooLarge": _F,
    "KeyTooLong": _F,
    "KeyTooLongError": _F,
    "InvalidURI": _F,
    "InvalidObjectName": _F,
    "XMinioInvalidObjectName": _F,
    "InvalidObjectState": _F,
    "MetadataTooLarge": _F,
    "TooManyParts": _F,
    # a header that the server doesn't know
    "NotImplemented": FailureClass.UNSUPPORTED,
    "XNotImplemented": FailureClass.UNSUPPORTED,
    "InvalidStorageClass": FailureClass.UNSUPPORTED,
}
"""By the code in the error's body: it says more than the status does."""

BY_START: Mapping[str, FailureClass] = {"Throttl": _TH, "KMS.AccessDenied": FailureClass.FATAL, "KMS": _H}
"""By how an unknown code begins."""

BY_STATUS: Mapping[int, FailureClass] = {
    400: _R,  # a TLS port that was spoken to in clear, a proxy, a key pair of another form
    401: _C,
    402: _H,
    403: _H,  # a refusal without S3's words is a proxy's: no ground for anything final
    404: _H,
    405: _H,
    407: _H,
    408: _T,
    409: _T,
    410: _H,
    411: _R,
    412: FailureClass.PRECONDITION,
    413: _F,
    414: _F,
    421: _T,
    423: _T,
    425: _T,
    429: _TH,
    431: _R,  # the settings' tags and options are headers, too
    451: _H,
    500: _T,
    501: FailureClass.UNSUPPORTED,
    502: _T,
    503: _T,
    504: _T,
    507: _H,
    511: _H,
}
"""By status, for answers without a known code (a proxy's page, an empty body)."""

BY_HUNDREDS: Mapping[int, FailureClass] = {
    2: _T,  # an error in the body of a success
    3: _H,  # redirects are not followed
    4: _R,
    5: _T,
}
"""By the status' first digit, for what nobody has thought of; beyond these it is no S3 server, and a hold."""

_REFUSALS = frozenset({"InvalidArgument", "InvalidRequest", "MalformedXML", "NotImplemented", "XNotImplemented"})
_BARE = frozenset({"HTTP400", "BadRequest", "InvalidArgument", "InvalidRequest"})
"""What servers answer with status 400 where S3 says NotImplemented."""
_HEADER_OF: tuple[tuple[Capability, re.Pattern[str]], ...] = (
    (Capability.OBJECT_SIZE, re.compile(r"mp-object-size", re.IGNORECASE)),
    (Capability.IF_NONE_MATCH, re.compile(r"if-none-match|conditional (?:write|request|header)", re.IGNORECASE)),
    (Capability.CHECKSUM, re.compile(r"checksum|crc64|sdk-algorithm", re.IGNORECASE)),
    (Capability.TAGGING, re.compile(r"x-amz-tagging|\btagging\b", re.IGNORECASE)),
    (Capability.STORAGE_CLASS, re.compile(r"storage[- ]?class", re.IGNORECASE)),
    (Capability.METADATA, re.compile(r"x-amz-meta-|user[- ]?metadata", re.IGNORECASE)),
)
_PROTECTION = re.compile(r"server-side-encryption|\bSSE\b|expected-bucket-owner|kms", re.IGNORECASE)
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d{1,2}")
_REGION_CODES = frozenset(
    {
        "PermanentRedirect",
        "TemporaryRedirect",
        "Redirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "IncorrectEndpoint",
    }
)
_UNCERTAIN_STATUS = frozenset({408, 500, 502, 503, 504})


def classify(
    *, status: int, code: str = "", message: str = "", header_named: str = "", headers: Mapping[str, str]
) -> Verdict:
    """Tell which class an answer has.

    Args:
        status: HTTP status; 200 for an error that came in the body of a success.
        code: the body's error code, "" when it has none.
        message: the body's message.
        header_named: the header that the body names as not understood.
        headers: the answer's headers, names in lower case.
    """
    region = _region(headers, message)
    capability = _capability(code, f"{header_named} {message}")
    kind = _kind(status=status, code=code)
    if capability is not None and kind in (FailureClass.REFUSED, FailureClass.UNSUPPORTED):
        kind = FailureClass.UNSUPPORTED
    elif kind is FailureClass.UNSUPPORTED and _PROTECTION.search(f"{header_named} {message}"):
        kind = FailureClass.HOLD
    moved = code in _REGION_CODES or 300 <= status < 400  # noqa: PLR2004 - HTTP's redirects
    if moved and region is not None:
        kind = FailureClass.REGION
    return Verdict(
        kind=kind,
        retry_after=retry_after_of(headers),
        region=region,
        server_date=http_date(headers.get("date", "")),
        uncertain=kind is FailureClass.TRANSIENT and (status in _UNCERTAIN_STATUS or status < 300),  # noqa: PLR2004
        capability=capability,
    )


def is_bare_refusal(failure: S3Failure) -> bool:
    """Whether it may be a header that the server refuses to know without naming it."""
    return failure.status == 400 and failure.code in _BARE and failure.capability is None  # noqa: PLR2004 - HTTP's


def _kind(*, status: int, code: str) -> FailureClass:
    known = BY_CODE.get(code)
    if known is None:
        known = next((kind for start, kind in BY_START.items() if code.startswith(start)), None)
    if known is None:
        known = BY_STATUS.get(status)
    return known if known is not None else BY_HUNDREDS.get(status // 100, FailureClass.HOLD)


def _capability(code: str, text: str) -> Capability | None:
    if code == "InvalidStorageClass":
        return Capability.STORAGE_CLASS
    if code not in _REFUSALS or _PROTECTION.search(text):
        return None
    return next((capability for capability, pattern in _HEADER_OF if pattern.search(text)), None)


def _region(headers: Mapping[str, str], message: str) -> str | None:
    """The bucket's region, when the answer names one; only what looks like one, since it becomes part of a host."""
    named = headers.get("x-amz-bucket-region", "")
    if not named:
        found = re.search(r"expecting '([^']+)'", message)
        named = found.group(1) if found else ""
    return named if _REGION.fullmatch(named) else None
