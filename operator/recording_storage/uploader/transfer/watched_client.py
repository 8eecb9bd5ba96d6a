"""A destination's client that notes what each answer says of the right to store there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from recording_storage.domain.failures import FailureClass, S3Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recording_storage.domain.denial import Denial
    from recording_storage.s3.payload import Buffer
    from recording_storage.s3.types import OpenUpload, Part, StoredObject
    from recording_storage.uploader.core.ports import Clock, ObjectStore

_T = TypeVar("_T")


class WatchedStore:
    """The port `ObjectStore`, as thread-safe as the one behind it."""

    def __init__(self, store: ObjectStore, *, denial: Denial, clock: Clock) -> None:
        self._store = store
        self.watched = store
        """Without the notes: for questions that are no recording's."""
        self._denial = denial
        self._clock = clock

    def put_object(self, key: str, body: Buffer, **options: Any) -> StoredObject:
        return self._noted(key, lambda: self._store.put_object(key, body, **options))

    def create_multipart(self, key: str, **options: Any) -> str:
        return self._noted(key, lambda: self._store.create_multipart(key, **options))

    def upload_part(self, key: str, **options: Any) -> Part:
        return self._noted(key, lambda: self._store.upload_part(key, **options))

    def complete_multipart(self, key: str, **options: Any) -> StoredObject:
        return self._noted(key, lambda: self._store.complete_multipart(key, **options))

    def abort_multipart(self, key: str, *, upload_id: str) -> None:
        self._store.abort_multipart(key, upload_id=upload_id)

    def list_multipart_uploads(self, **options: Any) -> Iterator[OpenUpload]:
        return self._store.list_multipart_uploads(**options)

    def list_parts(self, key: str, **options: Any) -> list[Part]:
        return self._store.list_parts(key, **options)

    def close(self) -> None:
        self._store.close()

    def _noted(self, key: str, call: Callable[[], _T]) -> _T:
        try:
            answer = call()
        except S3Failure as failure:
            if failure.kind is FailureClass.FATAL:
                self._denial.denied(self._clock.monotonic(), key=key)
            elif failure.kind is FailureClass.PRECONDITION:
                self._denial.allowed()  # who may not store is not told whether the key is taken
            raise
        self._denial.allowed()
        return answer
