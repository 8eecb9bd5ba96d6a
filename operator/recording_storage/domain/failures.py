"""What went wrong with an upload, and what that means for the recording: every failure carries its own decision."""

from enum import StrEnum


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


ABOUT_EVERY_REQUEST = frozenset({FailureClass.CREDENTIAL, FailureClass.REGION})
"""Of the key pair, or of where the bucket is: no list, abort or part's number is refused for that."""


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
    METADATA = "object metadata"
    """What goes along as x-amz-meta-…; report and receipt have it, too."""
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
