"""`/v1/Recordings` and `/v1/Rooms/{RM}/Recordings`: video."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from recording_storage.domain.states import Product
from recording_storage.store import media_links
from recording_storage.store.api.auth import CallerDep, StoreDep
from recording_storage.store.api.forms import PageDep, QueryDep, parse_time
from recording_storage.store.api.lists import v1_page
from recording_storage.store.api.media import media_response
from recording_storage.store.api.times import iso8601
from recording_storage.store.api.urls import absolute
from recording_storage.store.database.models import Recording
from recording_storage.store.errors import ErrorCode, StoreError, invalid
from recording_storage.store.services.recording_status import VideoStatus, video_status
from recording_storage.store.services.recordings import (
    Filters,
    delete_recording,
    find_media,
    get_recording,
    list_recordings,
    media_extension,
)

router = APIRouter(prefix="/v1")

MEDIA_TYPES = ("audio", "video", "data")


@router.get("/Recordings")
def list_all(request: Request, store: StoreDep, caller: CallerDep, query: QueryDep, page: PageDep) -> dict[str, Any]:
    return _list(request, store, caller, query, page)


@router.get("/Recordings/{sid}")
def get_one(request: Request, store: StoreDep, caller: CallerDep, sid: str) -> dict[str, Any]:
    return _render(request, get_recording(store, account_sid=caller.account_sid, product=Product.VIDEO, sid=sid))


@router.delete("/Recordings/{sid}", status_code=204)
def delete_one(store: StoreDep, caller: CallerDep, sid: str) -> Response:
    delete_recording(store, account_sid=caller.account_sid, product=Product.VIDEO, sid=sid)
    return Response(status_code=204)


@router.get("/Recordings/{sid}/Media")
def get_media(request: Request, store: StoreDep, caller: CallerDep, query: QueryDep, sid: str) -> Response:
    """Redirect to a link that plays the media for `Ttl` seconds, as the hosted service does."""
    row = get_recording(store, account_sid=caller.account_sid, product=Product.VIDEO, sid=sid)
    return _redirect(request, store, row, query.get("Ttl", ""))


@router.api_route("/Recordings/{sid}/Media/Content", methods=["GET", "HEAD"])
def get_content(request: Request, store: StoreDep, query: QueryDep, sid: str) -> Response:
    """Where the link leads; the signature in it is the proof."""
    account_sid = query.get("account", "")
    proven = media_links.check(
        store.box,
        path=request.url.path,
        account_sid=account_sid,
        expires=query.get("expires", ""),
        signature=query.get("signature", ""),
    )
    if not proven:
        raise StoreError(ErrorCode.FORBIDDEN, "This link is not valid, or not any more; ask for /Media again")
    row = get_recording(store, account_sid=account_sid, product=Product.VIDEO, sid=sid)
    return media_response(find_media(store, row))


@router.get("/Rooms/{room_sid}/Recordings")
def list_room(
    request: Request, *, store: StoreDep, caller: CallerDep, query: QueryDep, page: PageDep, room_sid: str
) -> dict[str, Any]:
    return _list(request, store, caller, query, page, room_sid=room_sid)


@router.get("/Rooms/{room_sid}/Recordings/{sid}")
def get_in_room(request: Request, store: StoreDep, caller: CallerDep, room_sid: str, sid: str) -> dict[str, Any]:
    return _render(request, _in_room(store, caller, room_sid, sid), room_sid=room_sid)


@router.delete("/Rooms/{room_sid}/Recordings/{sid}", status_code=204)
def delete_in_room(store: StoreDep, caller: CallerDep, room_sid: str, sid: str) -> Response:
    row = _in_room(store, caller, room_sid, sid)
    delete_recording(store, account_sid=caller.account_sid, product=Product.VIDEO, sid=row.sid)
    return Response(status_code=204)


@router.get("/Rooms/{room_sid}/Recordings/{sid}/Media")
def get_media_in_room(
    request: Request, *, store: StoreDep, caller: CallerDep, query: QueryDep, room_sid: str, sid: str
) -> Response:
    return _redirect(request, store, _in_room(store, caller, room_sid, sid), query.get("Ttl", ""))


def _in_room(store: StoreDep, caller: CallerDep, room_sid: str, sid: str) -> Recording:
    filters = Filters(room_sid=_plain(room_sid))
    return get_recording(store, account_sid=caller.account_sid, product=Product.VIDEO, sid=sid, filters=filters)


def _list(
    request: Request,
    store: StoreDep,
    caller: CallerDep,
    query: QueryDep,
    page: PageDep,
    *,
    room_sid: str | None = None,
) -> dict[str, Any]:
    after, before = query.get("DateCreatedAfter"), query.get("DateCreatedBefore")
    media_type = query.get("MediaType") or None
    if media_type is not None and media_type not in MEDIA_TYPES:
        raise invalid(f"MediaType is one of {', '.join(MEDIA_TYPES)}")
    filters = Filters(
        status=_status(query.get("Status")),
        source_sid=query.get("SourceSid") or None,
        grouping_sids=tuple(sid for sid in request.query_params.getlist("GroupingSid") if sid),
        room_sid=None if room_sid is None else _plain(room_sid),
        media_type=media_type,
        created_from=parse_time("DateCreatedAfter", after) if after else None,
        created_before=parse_time("DateCreatedBefore", before) if before else None,
    )
    rows = list_recordings(store, account_sid=caller.account_sid, product=Product.VIDEO, filters=filters, request=page)
    return v1_page(request, rows, key="recordings", render=lambda row: _render(request, row, room_sid=room_sid))


def _redirect(request: Request, store: StoreDep, row: Recording, ttl: str) -> Response:
    find_media(store, row)
    if ttl and not (ttl.isascii() and ttl.isdigit() and 0 < int(ttl[:9]) <= media_links.MAX_SECONDS):
        raise invalid(f"Ttl is a number of seconds up to {media_links.MAX_SECONDS}")
    seconds = int(ttl) if ttl else media_links.DEFAULT_SECONDS
    path = f"/v1/Recordings/{row.sid}/Media/Content"
    link = media_links.sign(store.box, path=path, account_sid=row.account_sid, seconds=seconds)
    location = absolute(request, link)
    headers = {"Location": location, "Cache-Control": "no-store"}
    return JSONResponse({"redirect_to": location}, status_code=302, headers=headers)


def _status(text: str | None) -> VideoStatus | None:
    if not text:
        return None
    try:
        return VideoStatus(text)
    except ValueError:
        raise invalid(f"Status is one of {', '.join(VideoStatus)}") from None


def _plain(text: str) -> str:
    """A path segment as a filter; what no sid holds finds nothing, and must not reach the database."""
    return text if text.isascii() and text.isprintable() else ""


def _render(request: Request, row: Recording, *, room_sid: str | None = None) -> dict[str, Any]:
    path = f"/v1/Recordings/{row.sid}" if room_sid is None else f"/v1/Rooms/{row.room_sid}/Recordings/{row.sid}"
    groups = {"room_sid": row.room_sid, "participant_sid": row.participant_sid}
    body: dict[str, Any] = {
        "account_sid": row.account_sid,
        "status": video_status(row),
        "date_created": iso8601(row.created_at),
        "sid": row.sid,
        "source_sid": row.source_sid or None,
        "size": row.size,
        "url": absolute(request, path),
        "type": row.type or row.content_type.partition("/")[0],
        # Whole seconds; a shorter track counts as one, as in the hosted service.
        "duration": None if row.duration is None else max(round(row.duration), 1),
        "container_format": media_extension(row).removeprefix(".") or None,
        "codec": None,
        "grouping_sids": {name: sid for name, sid in groups.items() if sid},
        "track_name": row.track_name or row.source_sid or None,
        "offset": 0,
        "media_external_location": row.media_url or None,
        "encryption_key": (row.encryption_details or {}).get("public_key_sid"),
        "encryption_details": row.encryption_details,
        "objects": row.objects,
        "custom": row.custom,
        "status_callback": row.status_callback or None,
        "status_callback_method": row.status_callback_method or None,
        "links": {"media": absolute(request, f"{path}/Media")},
    }
    if room_sid is not None:
        body["room_sid"] = row.room_sid
    return body
