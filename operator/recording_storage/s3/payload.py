"""A request's body on its way to the socket: what is done with it (checksums, TLS) leaves the interpreter's lock."""

import hashlib
from collections.abc import Iterator
from typing import Protocol

from recording_storage.s3 import checksums

_JOINED = 128 << 10

Buffer = bytes | bytearray | memoryview


class Payload(Protocol):
    """A body that can be sent, and sent again."""

    length: int
    checksum: str
    """CRC64NVME, base64; "" where it was not asked for."""

    def sha256(self) -> str:
        """In hexadecimal."""

    def md5(self) -> bytes:
        """Its 16 bytes. Costs more than all the rest."""

    def pieces(self, head: bytes) -> Iterator[Buffer]:
        """The head and the body, for the socket."""


class InMemory:
    """A body that the caller holds: a file or a part of one, a document of XML, nothing at all."""

    def __init__(self, data: Buffer, *, summed: bool, sha256: str = "") -> None:
        """Take the bytes; `summed`: `checksum` will be asked for; `sha256`: where the caller knows it already."""
        view = memoryview(data)
        self._view = view if view.format == "B" and view.ndim == 1 else view.cast("B")
        self.length = len(self._view)
        self.checksum = checksums.encoded(checksums.crc64nvme(self._view)) if summed else ""
        self._sha256 = sha256

    def sha256(self) -> str:
        self._sha256 = self._sha256 or hashlib.sha256(self._view).hexdigest()
        return self._sha256

    def md5(self) -> bytes:
        return hashlib.md5(self._view, usedforsecurity=False).digest()

    def pieces(self, head: bytes) -> Iterator[Buffer]:
        if self.length <= _JOINED:
            yield head + self._view
        else:
            yield head
            yield self._view
