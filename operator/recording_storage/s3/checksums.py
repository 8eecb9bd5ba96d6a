"""CRC64NVME, the checksum that S3 keeps for a whole object however it was cut into parts; and SHA-256 as S3 writes it.

The library of the first is loaded when it is first needed: that takes 40 ms, and an object that is sent in one request
goes with the SHA-256 that its recording has anyway.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable

from recording_storage.s3.types import Part


def crc64nvme(data: bytes | bytearray | memoryview, *, previous: int = 0) -> int:
    """The checksum of `data`, or of all before and `data` when the one of all before is given."""
    from awscrt import checksums  # noqa: PLC0415 - see above

    return int(checksums.crc64nvme(data, previous))


def encoded(value: int) -> str:
    """As S3 writes it in headers and XML: eight bytes, big-endian, base64."""
    return b64encode(value.to_bytes(8, "big")).decode()


def encoded_sha256(digest: str) -> str:
    """A SHA-256 in hexadecimal as S3 writes it: base64."""
    return b64encode(bytes.fromhex(digest)).decode()


def of_parts(parts: Iterable[Part]) -> str:
    """The whole object's checksum from its parts', base64; "" when a part has none."""
    from awscrt import checksums  # noqa: PLC0415 - see above

    combined = 0
    for part in parts:
        if not part.checksum:
            return ""
        combined = int(
            checksums.combine_crc64nvme(combined, int.from_bytes(b64decode(part.checksum), "big"), part.size)
        )
    return encoded(combined)
