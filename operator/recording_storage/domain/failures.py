"""What went wrong with an upload, and what that means for the recording.

Every failure carries its own decision: one class, read from the answer by pure functions. The tables below are the
documentation; `tests/domain/test_failures.py` walks over every row. Source: the S3 API's list of error codes, and what
versitygw, MinIO and moto were seen to answer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from recording_storage.domain.retry_after import http_date, retry_after_of


class FailureClass(StrEnum):
    """The decision that a failure carries; one for each way to go on."""

    TRANSIENT = "transient"
    """It will pass by itself: network, server faults, time-outs, clock skew."""
    THROTTLED = "throttled"
    """As transient, and the shared concurrency is cut."""
    HOLD = "hold"
    """The destination can't work until somebody mends something."""
    CREDENTIAL = "credential"
    """The key is refused: look it up afresh, once; then hold."""
    FILE = "file"
    """This recording can't be stored as it is; others can."""
    REFUSED = "refused"
    """A refusal that may be meant for the destination as well as for this recording: the verify sequence tells."""
    FATAL = "fatal"
    """Access is denied. It has to last before it ends anything (see `denial`)."""
    MULTIPART_LOST = "multipart_lost"
    """The multipart upload is gone or does not fit: build it anew."""
    DIGEST = "digest"
    """What arrived is not what was sent: read the file again, twice; then `FILE`."""
    PRECONDITION = "precondition"
    """The key is taken. Ours already, when an attempt of ours has an unknown outcome; else a conflict (`FILE`)."""
    UNSUPPORTED = "unsupported"
    """The server doesn't know what was asked for: drop that capability for the destination, try again."""
    REGION = "region"
    """The bucket is in another region, which the failure names: one try there, then hold."""


PASSING = frozenset({FailureClass.TRANSIENT, FailureClass.THROTTLED})
"""What ends without anybody's doing."""


class Capability(StrEnum):
    """What a server may lack without harm to a recording; each is dropped by itself for a destination.

    Server-side encryption and the expected bucket owner are none: they protect somebody, so a server without them is a
    hold and never a silent omission.
    """

    IF_NONE_MATCH = "if-none-match"
    CHECKSUM = "checksum"
    """Of parts: CRC64NVME."""
    SHA256 = "sha256"
    """The checksum of an object that goes in one request."""
    OBJECT_SIZE = "object-size"
    TAGGING = "tagging"
    STORAGE_CLASS = "storage-class"
    LIST_UPLOADS = "list-uploads"
    """Listing the open multipart uploads: then leftovers whose id nobody knows can't be searched for."""


class S3Failure(Exception):  # noqa: N818 - a failure is this project's word for it
    """An S3 call that failed, with the decision it carries.

    Not frozen although nothing should change it: `contextlib` and `raise … from` set attributes of exceptions.
    The message holds the server's words, shortened and without control characters; never a secret.
    """

    def __init__(
        self,
        kind: FailureClass,
        *,
        code: str,
        message: str,
        status: int | None = None,
        retry_after: float | None = None,
        region: str | None = None,
        server_date: float | None = None,
        uncertain: bool = False,
        capability: Capability | None = None,
        operation: str = "",
        request_id: str = "",
    ) -> None:
        """Take what is known of the failure.

        Args:
            kind: the decision.
            code: the server's error code, or one of ours (`ConnectTimeout`, `ChecksumMismatch`, …); never empty.
            message: one sentence for a person.
            status: HTTP status; None when no answer came.
            retry_after: seconds that the server asked us to wait.
            region: where the bucket is, when the answer named it.
            server_date: the answer's `Date` as a POSIX time stamp.
            uncertain: the request may have taken effect although this failure came back.
            capability: for `UNSUPPORTED`, what the server lacks, when it can be told.
            operation: the S3 operation that failed.
            request_id: the server's id of the request, for its operator.
        """
        super().__init__(code, message)
        self.kind = kind
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.region = region
        self.server_date = server_date
        self.uncertain = uncertain
        self.capability = capability
        self.operation = operation
        self.request_id = request_id

    def __str__(self) -> str:
        where = f"{self.operation}: " if self.operation else ""
        answer = f" (HTTP {self.status})" if self.status is not None else ""
        return f"{where}{self.code}{answer}: {self.message}"

    def __repr__(self) -> str:
        return f"S3Failure({self.kind.value}, {self})"


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
