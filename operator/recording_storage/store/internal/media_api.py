"""`…/recordings/{sid}/media`: into the store's own storage, resumable by offset."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from recording_storage.domain.states import Product
from recording_storage.protocol.recordings import MediaComplete, MediaCompleted
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.models import Recording
from recording_storage.store.internal.dependencies import (
    AccountSid,
    MediaDep,
    RecordingSid,
    StoreDep,
    UploaderDep,
)
from recording_storage.store.internal.identity import Caller, require_permitted
from recording_storage.store.internal.metrics import MEDIA_BYTES
from recording_storage.store.internal.problems import ProblemError, conflict, invalid, not_found
from recording_storage.store.internal.wire import answer, read_message, too_slow
from recording_storage.store.media import (
    Appender,
    ChecksumError,
    MediaError,
    MediaFolder,
    MediaKey,
    MediaTooLargeError,
    OffsetError,
    StorageFullError,
)

router = APIRouter(prefix="/internal/v1/accounts/{account_sid}/recordings/{sid}")

PIECE = 2**20
"""Bytes written at once: each write is a trip to another thread."""
IDLE_SECONDS = 60.0
"""Without a byte; a sender whose node is gone would else keep its successor out until TCP notices."""
OFFSET = "Upload-Offset"


@dataclass(frozen=True)
class Expected:
    """A recording that may bring its media, or has."""

    key: MediaKey
    product: Product
    size: int
    completed: MediaCompleted | None


@router.head("/media")
async def head(
    store: StoreDep, media: MediaDep, caller: UploaderDep, account_sid: AccountSid, sid: RecordingSid
) -> Response:
    expected = await run_in_threadpool(_expected, store, media, caller, MediaKey(account_sid, sid))
    done = expected.completed
    offset = done.size if done else await run_in_threadpool(media.offset, expected.key)
    headers = {OFFSET: str(offset), "Upload-Complete": "?1" if done else "?0", "Cache-Control": "no-store"}
    return Response(headers=headers)


@router.patch("/media")
async def patch(
    *,
    request: Request,
    store: StoreDep,
    media: MediaDep,
    caller: UploaderDep,
    account_sid: AccountSid,
    sid: RecordingSid,
) -> Response:
    offset = _offset(request)
    expected = await run_in_threadpool(_expected, store, media, caller, MediaKey(account_sid, sid))
    if expected.completed is not None:
        raise _refused(OffsetError("the media is complete", offset=expected.completed.size))
    try:
        manager = media.append(expected.key, offset=offset, size=expected.size)
        appender = await run_in_threadpool(manager.__enter__)
        try:
            await _receive(request, appender)
        finally:
            # Not in another thread: a lock that waits for one while this task is cancelled would stay.
            manager.__exit__(None, None, None)
            MEDIA_BYTES.inc(appender.offset - offset)
    except MediaError as error:
        raise _refused(error) from None
    await run_in_threadpool(_expected, store, media, caller, expected.key)  # its owner may have deleted it meanwhile
    return Response(status_code=204, headers={OFFSET: str(appender.offset)})


@router.post("/media:complete")
async def complete(
    *,
    request: Request,
    store: StoreDep,
    media: MediaDep,
    caller: UploaderDep,
    account_sid: AccountSid,
    sid: RecordingSid,
) -> Response:
    wanted = await read_message(request, MediaComplete)
    key = MediaKey(account_sid, sid)
    return answer(await run_in_threadpool(_complete, store, media, caller, key=key, wanted=wanted))


def media_location(product: Product, key: MediaKey) -> str:
    """Where the public API plays it: a path, since only its clients know under which name they reach it."""
    if product is Product.VIDEO:
        return f"/v1/Recordings/{key.sid}/Media"
    return f"/2010-04-01/Accounts/{key.account_sid}/Recordings/{key.sid}"


async def _receive(request: Request, appender: Appender) -> None:
    """Write as it arrives; when the connection breaks, what did arrive has been written."""
    piece = bytearray()
    chunks = request.stream()
    problem = None
    try:
        while (chunk := await _next(chunks)) is not None:
            piece += chunk
            if len(piece) >= PIECE:
                await run_in_threadpool(appender.write, bytes(piece))
                piece.clear()
    except ClientDisconnect:
        problem = ProblemError(400, "incomplete", "the connection broke")
    except TimeoutError:
        problem = too_slow()
    await run_in_threadpool(appender.write, bytes(piece))
    if problem is not None:
        raise problem


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    """What comes next; None at the end. Raises TimeoutError: the recording is locked, and its sender may be gone."""
    async with asyncio.timeout(IDLE_SECONDS):
        return await anext(chunks, None)


def _expected(store: Store, media: MediaFolder, caller: Caller, key: MediaKey) -> Expected:
    """The recording, if its media may come or has come here. Raises ProblemError."""
    with store.database.read() as session:
        return _expected_in(session, media, caller, key)


def _expected_in(session: Session, media: MediaFolder, caller: Caller, key: MediaKey) -> Expected:
    require_permitted(session, caller, key.account_sid)
    row = session.get(Recording, (key.account_sid, key.sid))
    if row is None:
        raise not_found("the recording is not registered yet; register it by recordings:batch first")
    if row.deleted_at is not None:
        media.delete(key)
        raise ProblemError(410, "gone", "the recording was deleted by its owner")
    if row.destination_id is not None or row.media_url:
        raise conflict("the recording goes to a destination of its own, not to the store's storage")
    product = Product(row.product)
    completed = None
    if row.media_path:
        size = row.stored_size if row.stored_size is not None else row.size
        completed = MediaCompleted(media_url=media_location(product, key), size=size, sha256=row.sha256)
    return Expected(key=key, product=product, size=row.size, completed=completed)


def _complete(
    store: Store, media: MediaFolder, caller: Caller, *, key: MediaKey, wanted: MediaComplete
) -> MediaCompleted:
    expected = _expected(store, media, caller, key)
    if (done := expected.completed) is not None:
        if (done.size, done.sha256) != (wanted.size, wanted.sha256.lower()):
            raise conflict("the media is complete, and is another one", headers={OFFSET: str(done.size)})
        return done
    try:
        stored = media.complete(key, size=wanted.size, sha256=wanted.sha256)
    except MediaError as error:
        raise _refused(error) from None
    with store.database.write() as session:
        # Only the owner's deletion can have come in between; then the file must not stay.
        entered = session.execute(
            sa.update(Recording)
            .where(Recording.account_sid == key.account_sid, Recording.sid == key.sid, Recording.deleted_at.is_(None))
            .values(media_path=stored.path, sha256=stored.sha256, stored_size=stored.size, updated_at=now())
            .returning(Recording.sid)
        ).all()
    if not entered:
        media.delete(key)
        raise ProblemError(410, "gone", "the recording was deleted by its owner")
    return MediaCompleted(media_url=media_location(expected.product, key), size=stored.size, sha256=stored.sha256)


def _offset(request: Request) -> int:
    text = request.headers.get(OFFSET, "")
    if not text.isascii() or not text.isdigit() or len(text) > 18:  # noqa: PLR2004 - digits of the largest file size
        raise invalid(f"{OFFSET}: the number of bytes that are here already is needed")
    return int(text)


def _refused(error: MediaError) -> ProblemError:
    match error:
        case OffsetError():
            return conflict(str(error), headers={OFFSET: str(error.offset)})
        case ChecksumError():
            return ProblemError(422, "checksum_mismatch", str(error))
        case MediaTooLargeError():
            return ProblemError(413, "too_large", str(error))
        case StorageFullError():
            return ProblemError(507, "storage_full", str(error))
        case _:
            raise error
