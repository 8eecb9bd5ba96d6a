"""The store's internal API as calls with typed messages; one instance for each thread."""

from collections.abc import Sequence
from typing import TypeVar

from recording_storage.protocol.base import MalformedError, Message
from recording_storage.protocol.recordings import BatchRequest, BatchResponse, BatchResult, RecordingReport
from recording_storage.protocol.sync import SyncRequest, SyncResponse
from recording_storage.uploader.store_link.http import StoreAddress, StoreHttp, StoreUnreachableError

M = TypeVar("M", bound=Message)

LONG_POLL_GRACE = 15.0
"""Seconds beyond the asked waiting time that a long poll's answer may take."""


class StoreApi:
    """Raises StoreUnreachableError and StoreRefusedError, from every call."""

    def __init__(self, address: StoreAddress, *, spool_id: str) -> None:
        self.spool_id = spool_id
        self._http = StoreHttp(address)

    def sync(self, request: SyncRequest) -> SyncResponse:
        body = self._http.json(
            "POST",
            f"/internal/v1/uploaders/{self.spool_id}/sync",
            body=request.to_json(),
            timeout=request.wait_seconds + LONG_POLL_GRACE,
        )
        return _parsed(SyncResponse, body)

    def batch(self, recordings: Sequence[RecordingReport]) -> list[BatchResult]:
        """One result for each recording, in their order."""
        request = BatchRequest(spool_id=self.spool_id, recordings=list(recordings))
        body = self._http.json(
            "POST",
            f"/internal/v1/uploaders/{self.spool_id}/recordings:batch",
            body=request.to_json(),
        )
        results = _parsed(BatchResponse, body).results
        if [(r.account_sid, r.sid) for r in results] != [(r.account_sid, r.sid) for r in recordings]:
            raise StoreUnreachableError("the store's answer to a batch does not fit the batch")
        return results

    def abort(self) -> None:
        """End a call that waits, from another thread, for good."""
        self._http.abort()

    def close(self) -> None:
        self._http.close()


def _parsed(model: type[M], body: bytes) -> M:
    try:
        return model.from_json(body)
    except MalformedError as error:
        raise StoreUnreachableError(f"the store's answer is no {model.__name__}: {error}") from None
