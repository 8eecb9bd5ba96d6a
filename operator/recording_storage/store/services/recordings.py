"""Recordings as their owner sees them: list, read, delete, and where the media is."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from recording_storage.domain.sids import is_sid
from recording_storage.domain.states import Product
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.models import INCOMPLETE, NAMED, VIDEO, Recording
from recording_storage.store.errors import ErrorCode, StoreError, not_found
from recording_storage.store.media import MediaFolder, MediaKey
from recording_storage.store.pages import Page, PageRequest, read_page
from recording_storage.store.services.recording_status import VideoStatus, states_of, video_status

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a list is narrowed to; None and empty: not narrowed."""

    status: VideoStatus | None = None
    source_sid: str | None = None
    grouping_sids: Sequence[str] = field(default_factory=tuple)
    """Rooms and participants; a recording has to belong to each."""
    room_sid: str | None = None
    call_sid: str | None = None
    conference_sid: str | None = None
    media_type: str | None = None
    created_from: datetime | None = None
    """Inclusive."""
    created_until: datetime | None = None
    """Inclusive."""
    created_before: datetime | None = None
    """Exclusive."""


@dataclass(frozen=True)
class Media:
    """A file of the store's own media storage."""

    path: Path
    content_type: str
    name: str


def list_recordings(
    store: Store, *, account_sid: str, product: Product, filters: Filters, request: PageRequest
) -> Page[Recording]:
    of = _grouped(account_sid, product, filters.grouping_sids[0]) if filters.grouping_sids else Recording
    query = sa.select(of).where(
        of.account_sid == account_sid, of.product == product, of.deleted_at.is_(None), *_conditions(of, filters)
    )
    with store.database.read() as session:
        return read_page(session, query, request=request, time=of.created_at, sid=of.sid)


def get_recording(
    store: Store, *, account_sid: str, product: Product, sid: str, filters: Filters | None = None
) -> Recording:
    """One recording; with filters, only if it is among those (`/Rooms/{RM}/Recordings/{RT}`)."""
    query = sa.select(Recording).where(
        Recording.account_sid == account_sid,
        Recording.sid == sid,
        Recording.product == product,
        Recording.deleted_at.is_(None),
        *_conditions(Recording, filters or Filters()),
    )
    row = None
    if is_sid(sid):
        with store.database.read() as session:
            row = session.scalars(query).one_or_none()
    if row is None:
        raise not_found(f"{sid}")
    return row


def delete_recording(
    store: Store, *, account_sid: str, product: Product, sid: str, filters: Filters | None = None
) -> None:
    """Delete the metadata, and the media if it is here; an object in the customer's bucket is the customer's.

    The row stays as a mark, so that a late report of its uploader can't bring it back.
    """
    get_recording(store, account_sid=account_sid, product=product, sid=sid, filters=filters)
    with store.database.write() as session:
        row = session.get(Recording, (account_sid, sid), with_for_update=True)
        if row is None or row.deleted_at is not None:
            raise not_found(sid)
        row.deleted_at = row.updated_at = now()
    # After the commit: a file without a row is a leftover, a row without its file would be a lie.
    try:
        media_folder(store).delete(MediaKey(account_sid, sid))
    except OSError as error:
        logger.error("the media of deleted %s stays behind: %s", sid, error.strerror)  # noqa: TRY400 - one line tells it


def find_media(store: Store, row: Recording) -> Media:
    """The recording's media in the store's own storage.

    Raises StoreError: it is stored externally (the message names the location), is not here yet, or never will be.
    """
    if row.media_url:
        raise StoreError(
            ErrorCode.NOT_FOUND,
            f"The media of {row.sid} is not kept here: external storage was active when it was recorded, and it was "
            f"stored externally at {row.media_url}",
        )
    if not row.media_path:
        if video_status(row) is VideoStatus.PROCESSING:
            message = f"The media of {row.sid} is still being processed; try again later"
        else:
            message = f"There is no media of {row.sid}: it could not be stored"
        raise StoreError(ErrorCode.NOT_FOUND, message)
    path = media_folder(store).file(row.media_path)
    if not path.is_file():
        logger.error("the media of %s is missing at %s", row.sid, path)
        raise StoreError(ErrorCode.NOT_FOUND, f"The media of {row.sid} is not in the store's media storage any more")
    return Media(path=path, content_type=row.content_type, name=row.sid + media_extension(row))


def media_extension(row: Recording) -> str:
    """The recorder's own, with its dot, lower-case; empty when its file had none."""
    return Path(row.file).suffix.lower()


def media_folder(store: Store) -> MediaFolder:
    return MediaFolder(store.config.media, max_bytes=store.config.max_media_bytes)


def _conditions(of: type[Recording], filters: Filters) -> list[sa.ColumnElement[bool] | sa.TextClause]:
    equal = {
        "source_sid": filters.source_sid,
        "room_sid": filters.room_sid,
        "call_sid": filters.call_sid,
        "conference_sid": filters.conference_sid,
    }
    conditions: list[sa.ColumnElement[bool] | sa.TextClause] = []
    for name, value in equal.items():
        if value is not None:
            conditions += [getattr(of, name) == value, NAMED[name]]
    conditions += [sa.or_(of.room_sid == sid, of.participant_sid == sid) for sid in filters.grouping_sids]
    if filters.status is not None:
        conditions.append(of.state.in_(states_of(filters.status)))
        if filters.status is not VideoStatus.COMPLETED:
            conditions.append(INCOMPLETE)
    if filters.media_type is not None:
        conditions += [of.type == filters.media_type, VIDEO]
    if filters.created_from is not None:
        conditions.append(of.created_at >= filters.created_from)
    if filters.created_until is not None:
        conditions.append(of.created_at <= filters.created_until)
    if filters.created_before is not None:
        conditions.append(of.created_at < filters.created_before)
    return conditions


def _grouped(account_sid: str, product: Product, sid: str) -> type[Recording]:
    """Those of a room or of a participant, each by its own index; an OR would walk through all of the account's."""
    of_room, of_participant = (
        sa.select(Recording).where(
            Recording.account_sid == account_sid,
            Recording.product == product,
            Recording.__table__.c[name] == sid,
            NAMED[name],
        )
        for name in ("room_sid", "participant_sid")
    )
    both = sa.union_all(of_room, of_participant.where(Recording.room_sid != sid))
    return aliased(Recording, both.subquery())
