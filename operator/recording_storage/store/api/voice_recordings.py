"""`/2010-04-01/Accounts/{AC}/Recordings`, also below a call or a conference: voice."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from recording_storage.domain.states import Product
from recording_storage.store.api.auth import AccountDep, StoreDep
from recording_storage.store.api.forms import PageDep, QueryDep, parse_time
from recording_storage.store.api.lists import flat_page
from recording_storage.store.api.media import media_response
from recording_storage.store.api.times import rfc2822
from recording_storage.store.api.urls import absolute, extension
from recording_storage.store.database.models import Recording
from recording_storage.store.errors import ErrorCode, StoreError
from recording_storage.store.services.recording_status import VoiceStatus, voice_status
from recording_storage.store.services.recordings import (
    Filters,
    delete_recording,
    find_media,
    get_recording,
    list_recordings,
    media_extension,
)

router = APIRouter(prefix="/2010-04-01/Accounts/{account_sid}")

PARENTS = {"Calls": "call_sid", "Conferences": "conference_sid"}
"""What recordings can be listed below, and the column that holds it."""
_DAY = len("2026-01-31")
_ERROR_CODES = {"AccessDenied": ErrorCode.BUCKET_ACCESS_DENIED, "InvalidPublicKey": ErrorCode.INVALID_PUBLIC_KEY}
"""Why a recording is absent, where the API has a code for it."""


@router.get("/Recordings.json")
def list_all(
    request: Request, store: StoreDep, account_sid: AccountDep, query: QueryDep, page: PageDep
) -> dict[str, Any]:
    call, conference = query.get("CallSid") or None, query.get("ConferenceSid") or None
    return _list(request, store, account_sid, query, page, call_sid=call, conference_sid=conference)


@router.api_route("/Recordings/{name}", methods=["GET", "HEAD"])
def get_one(request: Request, store: StoreDep, account_sid: AccountDep, name: str) -> Response:
    """`RE….json` is the metadata; `RE…` alone or with the media's extension is the media."""
    return _get(request, store, account_sid, name, Filters())


@router.delete("/Recordings/{name}", status_code=204)
def delete_one(store: StoreDep, account_sid: AccountDep, name: str) -> Response:
    return _delete(store, account_sid, name, Filters())


@router.get("/{parent}/{parent_sid}/Recordings.json")
def list_below(
    request: Request,
    *,
    store: StoreDep,
    account_sid: AccountDep,
    query: QueryDep,
    page: PageDep,
    parent: str,
    parent_sid: str,
) -> dict[str, Any]:
    below = _below(request, parent, parent_sid)
    return _list(request, store, account_sid, query, page, call_sid=below.call_sid, conference_sid=below.conference_sid)


@router.api_route("/{parent}/{parent_sid}/Recordings/{name}", methods=["GET", "HEAD"])
def get_below(
    request: Request, *, store: StoreDep, account_sid: AccountDep, parent: str, parent_sid: str, name: str
) -> Response:
    return _get(request, store, account_sid, name, _below(request, parent, parent_sid))


@router.delete("/{parent}/{parent_sid}/Recordings/{name}", status_code=204)
def delete_below(
    request: Request, *, store: StoreDep, account_sid: AccountDep, parent: str, parent_sid: str, name: str
) -> Response:
    return _delete(store, account_sid, name, _below(request, parent, parent_sid))


def _list(
    request: Request,
    store: StoreDep,
    account_sid: str,
    query: QueryDep,
    page: PageDep,
    *,
    call_sid: str | None,
    conference_sid: str | None,
) -> dict[str, Any]:
    on, until, since = (query.get(name) for name in ("DateCreated", "DateCreated<", "DateCreated>"))
    created_from = parse_time("DateCreated>", since) if since else None
    created_until = parse_time("DateCreated<", until) if until else None
    created_before = None
    if on:
        begin, end = _span(on)
        created_from = max(begin, created_from or begin)
        created_before = end
    filters = Filters(
        call_sid=call_sid,
        conference_sid=conference_sid,
        created_from=created_from,
        created_until=created_until,
        created_before=created_before,
    )
    rows = list_recordings(store, account_sid=account_sid, product=Product.VOICE, filters=filters, request=page)
    return flat_page(request, rows, key="recordings", render=lambda row: _render(request, row))


def _get(request: Request, store: StoreDep, account_sid: str, name: str, filters: Filters) -> Response:
    sid, ext = extension(name)
    row = get_recording(store, account_sid=account_sid, product=Product.VOICE, sid=sid, filters=filters)
    if ext == "json":
        return JSONResponse(_render(request, row))
    media = find_media(store, row)
    kept = media_extension(row).removeprefix(".")
    if ext and kept and ext != kept:
        raise StoreError(
            ErrorCode.NOT_FOUND, f"{sid} is kept as .{kept} as it was recorded and is not converted to .{ext}"
        )
    return media_response(media)


def _delete(store: StoreDep, account_sid: str, name: str, filters: Filters) -> Response:
    sid, _ = extension(name)
    delete_recording(store, account_sid=account_sid, product=Product.VOICE, sid=sid, filters=filters)
    return Response(status_code=204)


def _below(request: Request, parent: str, parent_sid: str) -> Filters:
    if parent not in PARENTS or not (parent_sid.isascii() and parent_sid.isalnum()):
        raise StoreError(ErrorCode.NOT_FOUND, f"The requested resource {request.url.path} was not found")
    return Filters(call_sid=parent_sid) if parent == "Calls" else Filters(conference_sid=parent_sid)


def _span(text: str) -> tuple[datetime, datetime]:
    """A date is its whole day, a time its whole second."""
    begin = parse_time("DateCreated", text)
    try:
        return begin, begin + (timedelta(days=1) if len(text.strip()) == _DAY else timedelta(seconds=1))
    except OverflowError:  # the calendar's last day
        return begin, datetime.max.replace(tzinfo=UTC)


def _render(request: Request, row: Recording) -> dict[str, Any]:
    uri = f"/2010-04-01/Accounts/{row.account_sid}/Recordings/{row.sid}"
    status = voice_status(row)
    own = absolute(request, uri) if row.media_path else None
    return {
        "account_sid": row.account_sid,
        "api_version": "2010-04-01",
        "call_sid": row.call_sid or None,
        "conference_sid": row.conference_sid or None,
        "date_created": rfc2822(row.created_at),
        "date_updated": rfc2822(row.updated_at),
        "start_time": rfc2822(row.started_at),
        "duration": None if row.duration is None else str(round(row.duration)),
        "sid": row.sid,
        "price": None,
        "price_unit": None,
        "status": status,
        "channels": row.channels,
        "source": "Conference" if row.conference_sid else None,
        "track": row.track_name or None,
        "error_code": _error_code(row) if status is VoiceStatus.ABSENT else None,
        "uri": f"{uri}.json",
        "encryption_details": row.encryption_details,
        "objects": row.objects,
        "custom": row.custom,
        "subresource_uris": {},
        "media_url": row.media_url or own,
    }


def _error_code(row: Recording) -> int | None:
    code = (row.error or {}).get("code", "")
    return _ERROR_CODES.get(code)
