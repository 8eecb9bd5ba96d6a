"""The objects that a recording has become, as receipts, reports and commands show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recording_storage.protocol.recordings import ObjectChecksum, StoredObject

if TYPE_CHECKING:
    from recording_storage.uploader.core.recording import Recording


def objects_of(recording: Recording) -> list[StoredObject]:
    """Each object at a destination; none before it is stored, nor of what is in the store's own storage."""
    stored = recording.stored
    if stored is None or recording.destination_id is None:
        return []
    checksum = stored.checksum
    return [
        StoredObject(
            destination=recording.destination_id,
            key=recording.object_key,
            version_id=stored.version_id or None,
            checksum=ObjectChecksum(algorithm=checksum.algorithm, value=checksum.value) if checksum else None,
            url=stored.media_url,
            etag=stored.etag or None,
            size=stored.size,
        )
    ]
