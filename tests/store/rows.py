"""Recordings as uploaders would have reported them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from recording_storage.domain.sids import SidPrefix, new_sid
from recording_storage.domain.states import Product, RecordingState
from recording_storage.store.context import Store
from recording_storage.store.database.models import Recording

MOMENT = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def add_recording(store: Store, account_sid: str, **values: Any) -> str:
    """Enter one; every column may be given. Gives its sid."""
    product = Product(values.pop("product", Product.VIDEO))
    prefix = SidPrefix.VIDEO_RECORDING if product is Product.VIDEO else SidPrefix.VOICE_RECORDING
    row: dict[str, Any] = {
        "account_sid": account_sid,
        "sid": new_sid(prefix),
        "product": product,
        "seq": 1,
        "state": RecordingState.RELEASED,
        "file": "track.mka" if product is Product.VIDEO else "call.wav",
        "size": 1000,
        "content_type": "audio/x-wav" if product is Product.VOICE else "video/x-matroska",
        "type": "audio" if product is Product.VOICE else "video",
        "found_at": MOMENT,
        "created_at": MOMENT,
        "updated_at": MOMENT,
    }
    row |= values
    with store.database.write() as session:
        session.add(Recording(**row))
    sid: str = row["sid"]
    return sid


def add_series(store: Store, account_sid: str, *, count: int, begin: datetime = MOMENT, **values: Any) -> list[str]:
    """Some recordings a minute apart; newest first, as lists have them."""
    sids = [
        add_recording(store, account_sid, created_at=begin + timedelta(minutes=number), **values)
        for number in range(count)
    ]
    return sids[::-1]


def keep_media(store: Store, account_sid: str, *, content: bytes, **values: Any) -> str:
    """A recording whose media the store itself keeps."""
    sid = new_sid(SidPrefix.VOICE_RECORDING if values.get("product") == Product.VOICE else SidPrefix.VIDEO_RECORDING)
    path = f"{account_sid}/{sid[2:4]}/{sid}"
    file = store.config.media / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return add_recording(store, account_sid, sid=sid, media_path=path, size=len(content), **values)
