"""A request's body on its way to the socket: read once, summed in the same pass, laid out behind room for the head.

Buffers are large and reused (see `buffers`); what is done with them (`pread`, the checksum, TLS) leaves the lock of the
interpreter.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from recording_storage.s3 import buffers, checksums
from recording_storage.s3.buffers import HEAD_ROOM
from recording_storage.s3.types import Body, FileSlice

BUFFERED = 16 << 20
"""Longer slices are read twice, in pieces: once for the checksum that stands in the head, once to be sent."""
PIECE = 4 << 20
_JOINED = 128 << 10

Buffer = bytes | bytearray | memoryview


class BodyError(Exception):
    """The body could not be read, or isn't what it was in the first pass. Nothing complete has been sent."""

    def __init__(self, message: str, *, cause: OSError | None = None) -> None:
        super().__init__(message)
        self.cause = cause


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
    """A body that the caller holds: an encrypted part, a document of XML, nothing at all."""

    def __init__(self, data: bytes | bytearray | memoryview, *, summed: bool, sha256: str = "") -> None:
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


class _Buffered:
    """A slice of a file, read into a buffer behind room for the head."""

    def __init__(self, source: FileSlice, buffer: bytearray, *, summed: bool) -> None:
        self._buffer = buffer
        self.length = source.length
        self._body = memoryview(buffer)[HEAD_ROOM : HEAD_ROOM + source.length]
        _fill(self._body, source.fd, source.offset)
        self.checksum = checksums.encoded(checksums.crc64nvme(self._body)) if summed else ""
        self._sha256 = ""

    def sha256(self) -> str:
        self._sha256 = self._sha256 or hashlib.sha256(self._body).hexdigest()
        return self._sha256

    def md5(self) -> bytes:
        return hashlib.md5(self._body, usedforsecurity=False).digest()

    def pieces(self, head: bytes) -> Iterator[Buffer]:
        if len(head) > HEAD_ROOM:
            yield head
            yield self._body
            return
        start = HEAD_ROOM - len(head)
        self._buffer[start:HEAD_ROOM] = head
        yield memoryview(self._buffer)[start : HEAD_ROOM + self.length]


class _Streamed:
    """A slice too long to be held: read for its checksums, then read again to be sent, and compared."""

    def __init__(self, source: FileSlice, buffer: bytearray, *, signed: bool) -> None:
        self._source = source
        self._buffer = memoryview(buffer)
        self.length = source.length
        self._crc = 0
        digest = hashlib.sha256() if signed else None
        for piece in self._read():
            self._crc = checksums.crc64nvme(piece, previous=self._crc)
            if digest is not None:
                digest.update(piece)
        self._sha256 = digest.hexdigest() if digest is not None else ""
        self.checksum = checksums.encoded(self._crc)

    def sha256(self) -> str:
        return self._sha256

    def md5(self) -> bytes:
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self._read():
            digest.update(piece)
        return digest.digest()

    def pieces(self, head: bytes) -> Iterator[Buffer]:
        yield head
        crc, sent = 0, 0
        for piece in self._read():
            crc = checksums.crc64nvme(piece, previous=crc)
            sent += len(piece)
            if sent == self.length and crc != self._crc:
                # the last piece stays here: a server without checksums must not take what nobody has summed
                raise BodyError("the file changed while it was sent")
            yield piece

    def _read(self) -> Iterator[memoryview]:
        done = 0
        while done < self.length:
            piece = self._buffer[: min(PIECE, self.length - done)]
            _fill(piece, self._source.fd, self._source.offset + done)
            done += len(piece)
            yield piece


def _fill(view: memoryview, fd: int, offset: int) -> None:
    done = 0
    while done < len(view):
        try:
            count = os.preadv(fd, [view[done:]], offset + done)
        except OSError as error:
            raise BodyError(f"reading the file failed: {error.strerror}", cause=error) from error
        if count == 0:
            raise BodyError(f"the file ends {len(view) - done} bytes early")
        done += count


@contextmanager
def open_payload(body: Body, *, signed: bool, summed: bool = True, sha256: str = "") -> Iterator[Payload]:
    """An object's body, ready to be sent; its buffer goes back at the end.

    Args:
        body: the bytes, or the slice of a file that holds them.
        signed: whether `sha256` will be asked for.
        summed: whether `checksum` will be.
        sha256: in hexadecimal, where the caller who holds the bytes knows it already.

    Raises:
        BodyError: the file can't be read, or is shorter than the slice.
    """
    if not isinstance(body, FileSlice):
        yield InMemory(body, summed=summed, sha256=sha256)
        return
    streamed = body.length > BUFFERED
    buffer = buffers.take(PIECE if streamed else body.length)
    try:
        yield _Streamed(body, buffer, signed=signed) if streamed else _Buffered(body, buffer, summed=summed)
    finally:
        buffers.give_back(buffer)
