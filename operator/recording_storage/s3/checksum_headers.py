"""How a request carries what vouches for its body."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping

from recording_storage.domain.proof import Voucher
from recording_storage.s3 import checksums
from recording_storage.s3.payload import Payload

HEADERS: Mapping[Voucher, str] = {
    Voucher.CRC64NVME: "x-amz-checksum-crc64nvme",
    Voucher.SHA256: "x-amz-checksum-sha256",
    Voucher.CONTENT_MD5: "content-md5",
}
"""The others need no header of their own."""
ECHOED = frozenset({Voucher.CRC64NVME, Voucher.SHA256})
"""Those that S3 names in its answer."""


def carried(voucher: Voucher, payload: Payload, *, wrong: bool = False) -> dict[str, str]:
    """The header that carries it, as S3 writes the value; none for those that need none. `wrong`: a false value."""
    match voucher:
        case Voucher.CRC64NVME:
            value = payload.checksum
        case Voucher.SHA256:
            value = checksums.encoded_sha256(payload.sha256())
        case Voucher.CONTENT_MD5:
            value = b64encode(payload.md5()).decode()
        case Voucher.SIGNED_PAYLOAD | Voucher.ETAG:
            return {}
    return {HEADERS[voucher]: false_value(value) if wrong else value}


def false_value(value: str) -> str:
    """Another value of the same form."""
    digest = b64decode(value)
    return b64encode(bytes([digest[0] ^ 0xFF]) + digest[1:]).decode()


class Misstated:
    """A payload that is signed with another's hash."""

    def __init__(self, payload: Payload) -> None:
        self.length = payload.length
        self.checksum = payload.checksum
        self.pieces = payload.pieces
        self.md5 = payload.md5
        self._sha256 = hashlib.sha256(payload.sha256().encode()).hexdigest()

    def sha256(self) -> str:
        return self._sha256


def names_encryption(headers: Mapping[str, str]) -> bool:
    """Whether the object's ETag is no MD5 by S3's rules: encrypted with a key of KMS or of the customer's."""
    return headers.get("x-amz-server-side-encryption", "").startswith("aws:") or any(
        name.startswith("x-amz-server-side-encryption-customer") for name in headers
    )
