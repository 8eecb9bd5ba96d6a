"""`/v1/Compositions`: this store composes nothing, and says why."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from recording_storage.domain.sids import SidPrefix, is_sid
from recording_storage.domain.states import Product
from recording_storage.store.api.auth import CallerDep, StoreDep
from recording_storage.store.api.forms import read_form
from recording_storage.store.errors import ErrorCode, StoreError
from recording_storage.store.pages import PageRequest
from recording_storage.store.services.recordings import Filters, get_recording, list_recordings
from recording_storage.store.services.settings import get_settings

router = APIRouter(prefix="/v1")


async def _sources(request: Request) -> dict[str, list[str]]:
    """What a composition is to be made of; `AudioSources` may come several times."""
    if request.method != "POST":
        return {}
    await read_form(request)  # refuses what is no form
    form = await request.form()
    return {name: [str(value) for value in form.getlist(name)] for name in form}


@router.api_route("/Compositions", methods=["GET", "POST"])
@router.api_route("/Compositions/{path:path}", methods=["GET", "POST", "DELETE"])
def refuse(store: StoreDep, caller: CallerDep, form: Annotated[dict[str, list[str]], Depends(_sources)]) -> None:
    """Name the nearest reason: external storage, an external source, else that there is no composing at all."""
    if get_settings(store, account_sid=caller.account_sid, product=Product.VIDEO).aws_storage_enabled:
        raise StoreError(
            ErrorCode.FORBIDDEN,
            "Compositions can't be used while external storage is active: their sources would have to be kept here",
        )
    external = _external_source(store, caller, form)
    if external:
        raise StoreError(
            ErrorCode.FORBIDDEN,
            f"The source recording {external} is stored externally; only recordings that are kept here can be composed",
        )
    raise StoreError(ErrorCode.NOT_AVAILABLE, "Compositions are not available: this store keeps recordings as they are")


def _external_source(store: StoreDep, caller: CallerDep, form: dict[str, list[str]]) -> str | None:
    account_sid = caller.account_sid
    for sid in _named(form):
        try:
            row = get_recording(store, account_sid=account_sid, product=Product.VIDEO, sid=sid)
        except StoreError:
            continue
        if row.media_url:
            return sid
    for room_sid in form.get("RoomSid", []):
        if not is_sid(room_sid, SidPrefix.ROOM):
            continue
        page = list_recordings(
            store,
            account_sid=account_sid,
            product=Product.VIDEO,
            filters=Filters(room_sid=room_sid),
            request=PageRequest(size=1000),
        )
        external = next((row.sid for row in page.rows if row.media_url), None)
        if external:
            return external
    return None


def _named(form: dict[str, list[str]]) -> Iterator[str]:
    """The recordings that the request names, also deep in a layout; a few are enough to find one that is external."""
    found = 0
    texts = [*form.get("AudioSources", []), *(_leaves(form.get("VideoLayout", [])))]
    for text in texts:
        if is_sid(text, SidPrefix.VIDEO_RECORDING):
            yield text
            found += 1
            if found == 100:  # noqa: PLR2004 - more sources than a composition may have
                return


def _leaves(layouts: list[str]) -> Iterator[str]:
    for layout in layouts:
        try:
            waiting: list[Any] = [json.loads(layout)]
        except (ValueError, RecursionError):
            continue
        while waiting:
            node = waiting.pop()
            if isinstance(node, str):
                yield node
            elif isinstance(node, dict):
                waiting.extend(node.values())
            elif isinstance(node, list):
                waiting.extend(node)
