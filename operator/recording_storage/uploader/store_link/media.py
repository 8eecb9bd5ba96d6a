"""The port `MediaStore`: the store's own media storage, for recordings made while external storage is off."""

import threading
from collections.abc import Callable

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.upload_decision import MAX_REREADS
from recording_storage.protocol.recordings import MediaCompleted
from recording_storage.uploader.core.recording import Recording
from recording_storage.uploader.store_link.api import StoreApi
from recording_storage.uploader.store_link.http import StoreAddress, StoreRefusedError, StoreUnreachableError
from recording_storage.uploader.store_link.media_upload import MediaSource, MediaUpload
from recording_storage.uploader.store_link.messages import report_of

TAKEN = 200


class StoreMedia:
    """Used from many threads; each upload has a connection of its own, for as long as it lasts."""

    def __init__(self, address: StoreAddress, *, connect: Callable[[], StoreApi]) -> None:
        self._address = address
        self._connect = connect

    def store(self, recording: Recording, *, fd: int, stop: threading.Event) -> MediaCompleted:
        """See the port."""
        for reread in range(MAX_REREADS + 1):
            upload = MediaUpload(
                self._address,
                account_sid=recording.account_sid,
                sid=recording.sid,
                register=lambda: self._register(recording),
                stopped=stop.is_set,
            )
            try:
                return upload.run(MediaSource(fd, recording.identity.size))
            except S3Failure as failure:
                # the store has discarded what it had, perhaps what a power cut had spoilt there: all of it once more
                if failure.kind is not FailureClass.DIGEST or reread == MAX_REREADS:
                    raise
        raise AssertionError("the last round returns or raises")

    def _register(self, recording: Recording) -> None:
        """The store takes media only of recordings that it knows; the reporter may not have come to this one yet."""
        api = self._connect()
        try:
            result = api.batch([report_of(recording)])[0]
        except (StoreUnreachableError, StoreRefusedError) as error:
            raise _failure(FailureClass.TRANSIENT, code="StoreUnreachable", message=str(error)) from error
        finally:
            api.close()
        if result.status != TAKEN:
            kind = FailureClass.HOLD if result.status == 403 else FailureClass.FILE  # noqa: PLR2004 - not bound
            code = {403: "NotBound", 409: "SidConflict"}.get(result.status, "ReportRefused")
            raise _failure(kind, code=code, message=result.message or "the store gave no reason")


def _failure(kind: FailureClass, *, code: str, message: str) -> S3Failure:
    return S3Failure(kind, code=code, message=message, operation="media of the store")
