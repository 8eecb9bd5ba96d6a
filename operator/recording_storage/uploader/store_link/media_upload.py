"""Carries one file into the store's own media storage: HEAD tells where to go on, PATCH goes on, complete proves it."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.protocol.recordings import MediaComplete, MediaCompleted
from recording_storage.uploader.store_link.http import (
    STORAGE_FULL,
    Answer,
    StoreAddress,
    StoreHttp,
    StoreRefusedError,
    StoreUnreachableError,
    success,
)

CHUNK = 1024 * 1024
SLICE = 32 * 1024 * 1024
"""Bytes of one PATCH: what a broken connection can cost at most where a proxy buffers a whole request."""
FRUITLESS_ROUNDS = 3
"""A store that moves the offset about without taking anything: not ours to wait for, the scheduler's backoff is."""
CONFLICT, GONE, NOT_FOUND, FORBIDDEN, TOO_LARGE, UNPROCESSABLE = 409, 410, 404, 403, 413, 422


@dataclass(frozen=True)
class MediaSource:
    """A file of the spool, open for reading. `fd` is read with pread only."""

    fd: int
    size: int


class MediaUpload:
    """One recording's upload; starts again wherever the last one ended, on this connection or another process'."""

    def __init__(
        self,
        address: StoreAddress,
        *,
        account_sid: str,
        sid: str,
        register: Callable[[], None],
        progressed: Callable[[int], None] = lambda _offset: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Nothing is sent yet.

        Args:
            address: where the store is.
            account_sid: whose recording it is.
            sid: the recording's.
            register: makes the recording known to the store when it isn't yet.
            progressed: is told each new offset.
            stopped: asked before each MiB; once it says yes, `run` ends in a transient failure.
        """
        self._path = f"/internal/v1/accounts/{account_sid}/recordings/{sid}/media"
        self._http = StoreHttp(address)
        self._register = register
        self._progressed = progressed
        self._stopped = stopped

    def run(self, source: MediaSource) -> MediaCompleted:
        """All of it, and the store's receipt. Raises S3Failure, whose class says how to go on."""
        try:
            return self._run(source)
        except StoreUnreachableError as error:
            raise _failure(FailureClass.TRANSIENT, code="StoreUnreachable", message=str(error)) from error
        except StoreRefusedError as error:
            raise _classified(error) from error
        finally:
            self._http.close()

    def _run(self, source: MediaSource) -> MediaCompleted:
        hashed = _HashedPrefix(source)
        offset, complete = self._offset()
        fruitless = 0
        while offset < source.size and not complete:
            digest = hashed.at(offset).copy()
            length = min(SLICE, source.size - offset)
            answer = self._patch(source, offset=offset, length=length, digest=digest)
            reached = _header_offset(answer)
            if answer.status == CONFLICT and reached is not None:
                reached, complete = self._offset()
            else:
                success(answer)
                hashed.adopt(digest, length=offset + length)
            if reached is None or reached <= offset:
                fruitless += 1
                if fruitless == FRUITLESS_ROUNDS:
                    message = f"the store stays at {offset} of {source.size} bytes"
                    raise _failure(FailureClass.TRANSIENT, code="MediaConflict", message=message)
                reached = offset if reached is None else reached
            else:
                fruitless = 0
            offset = reached
            self._progressed(offset)
        # More than the file has, of a longer one that was here before: the store discards it when it is to be complete.
        body = MediaComplete(size=source.size, sha256=hashed.at(source.size).hexdigest())
        return MediaCompleted.from_json(
            self._http.json("POST", f"{self._path}:complete", body=body.to_json(), timeout=120)
        )

    def _offset(self) -> tuple[int, bool]:
        """Bytes that the store has, and whether the media is complete; registers the recording if need be."""
        answer = self._http.call("HEAD", self._path)
        if answer.status == NOT_FOUND:
            self._register()
            answer = self._http.call("HEAD", self._path)
        success(answer)
        return _header_offset(answer) or 0, answer.headers.get("upload-complete") == "?1"

    def _patch(self, source: MediaSource, *, offset: int, length: int, digest: "hashlib._Hash") -> Answer:
        return self._http.call(
            "PATCH",
            self._path,
            body=self._unless_stopped(_chunks(source, offset=offset, length=length, digest=digest)),
            headers={
                "Upload-Offset": str(offset),
                "Content-Length": str(length),
                "Content-Type": "application/octet-stream",
            },
            timeout=60,
        )

    def _unless_stopped(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._stopped():
                raise _failure(FailureClass.TRANSIENT, code="Stopped", message="the uploader is stopping")
            yield chunk


class _HashedPrefix:
    """SHA-256 of the file's beginning, fed by what was sent; a resumed part costs a second reading."""

    def __init__(self, source: MediaSource) -> None:
        self._source = source
        self._digest = hashlib.sha256()
        self._length = 0

    def adopt(self, digest: "hashlib._Hash", *, length: int) -> None:
        """`digest` is that of the first `length` bytes."""
        self._digest, self._length = digest, length

    def at(self, offset: int) -> "hashlib._Hash":
        if offset < self._length:
            self._digest, self._length = hashlib.sha256(), 0
        for chunk in _chunks(self._source, offset=self._length, length=offset - self._length, digest=self._digest):
            self._length += len(chunk)
        return self._digest


def _chunks(source: MediaSource, *, offset: int, length: int, digest: "hashlib._Hash") -> Iterator[bytes]:
    end = offset + length
    while offset < end:
        chunk = os.pread(source.fd, min(CHUNK, end - offset), offset)
        if not chunk:
            message = f"the file has ended at {offset} of {source.size} bytes"
            raise _failure(FailureClass.FILE, code="ChangedWhileReading", message=message)
        digest.update(chunk)
        offset += len(chunk)
        yield chunk


def _header_offset(answer: Answer) -> int | None:
    text = answer.headers.get("upload-offset", "")
    return int(text) if text.isdecimal() else None


_CLASSES = {
    FORBIDDEN: (FailureClass.HOLD, "NotBound"),
    NOT_FOUND: (FailureClass.TRANSIENT, "NotRegistered"),
    CONFLICT: (FailureClass.FILE, "MediaConflict"),
    GONE: (FailureClass.FILE, "DeletedByOwner"),
    TOO_LARGE: (FailureClass.FILE, "EntityTooLarge"),
    UNPROCESSABLE: (FailureClass.DIGEST, "ChecksumMismatch"),
    STORAGE_FULL: (FailureClass.HOLD, "StorageFull"),
    401: (FailureClass.HOLD, "Unauthorized"),
}


def _classified(error: StoreRefusedError) -> S3Failure:
    kind, code = _CLASSES.get(error.status, (FailureClass.HOLD, f"Http{error.status}"))
    if error.status == UNPROCESSABLE and error.code != "checksum_mismatch":
        kind, code = FailureClass.FILE, "Invalid"
    return _failure(kind, code=code, message=error.message, status=error.status)


def _failure(kind: FailureClass, *, code: str, message: str, status: int | None = None) -> S3Failure:
    return S3Failure(kind, code=code, message=message, status=status, operation="media of the store")
