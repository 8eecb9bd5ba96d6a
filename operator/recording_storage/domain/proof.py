"""What vouches for an object: by what a server showed that it compares what arrives with what was sent.

An answer alone proves nothing: some servers, and proxies before them, ignore checksums, or give back the one that they
were sent. So it is learnt in pairs: the right value is taken, and a wrong one is refused for being wrong.
"""

from dataclasses import dataclass
from enum import StrEnum

from recording_storage.domain.failures import PASSING, FailureClass, S3Failure

MOST_PARTS = 10_000
"""Of an upload, as S3 has it."""
FEW_PARTS = 1_000
"""As some servers have it."""


class Voucher(StrEnum):
    """What may vouch; in the order of preference."""

    CRC64NVME = "CRC64NVME"
    SHA256 = "SHA-256"
    CONTENT_MD5 = "Content-MD5"
    SIGNED_PAYLOAD = "signed payload hash"
    ETAG = "MD5 as ETag"
    """The server's own MD5 of what arrived, compared here. It vouches for a part before the upload is completed, and
    not for a request whose answer is lost."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a server vouches by for the parts of uploads."""

    voucher: Voucher | None
    """None: it vouches for nothing."""
    told: bool = False
    """Its answers name the checksum: one that does not comes from somebody else."""
    up_to: int = 0
    """Bytes of the longest body for which this was seen; of no account for an ETag."""
    most_parts: int = MOST_PARTS
    """Of an upload."""

    def covers(self, size: int) -> bool:
        """Whether it counts for a body of that size: some servers compare small ones only."""
        return self.voucher in (None, Voucher.ETAG) or size <= self.up_to


def is_digest_refusal(failure: S3Failure) -> bool:
    """Whether the server itself has refused a body for its digest; any other refusal proves nothing."""
    return failure.kind is FailureClass.DIGEST and failure.status is not None


def is_refusal(failure: S3Failure) -> bool:
    """Whether it answers what was asked, and does not only ask for patience."""
    return failure.status is not None and failure.kind is not FailureClass.THROTTLED and failure.status not in _PATIENCE


def may_pass_soon(failure: S3Failure, *, within: float) -> bool:
    """Whether it is worth asking again after so many seconds: a time-out has cost more than that already."""
    passes = failure.kind in PASSING
    is_late = failure.code in _TIME_OUTS or (failure.retry_after or 0.0) > within
    return passes and not is_late and not is_refusal(failure)


_TIME_OUTS = frozenset({"ConnectTimeout", "ReadTimeout"})
_PATIENCE = frozenset({408, 429, 502, 503, 504})
