"""The messages as JSON Schema, for whoever writes another client."""

from typing import Any

import msgspec
from fastapi import APIRouter

from recording_storage.protocol import accounts, base, plan, recordings, spools, sync
from recording_storage.protocol.base import PROTOCOL_VERSION, Message
from recording_storage.store.internal.problems import not_found

router = APIRouter(prefix="/internal/v1/schemas")

_PUBLISHED = {
    name: member
    for module in (accounts, base, plan, recordings, spools, sync)
    for name, member in vars(module).items()
    if isinstance(member, type) and issubclass(member, Message) and member is not Message
}


@router.get("")
async def list_schemas() -> dict[str, Any]:
    return {"protocol": PROTOCOL_VERSION, "schemas": sorted(_PUBLISHED)}


@router.get("/{name}")
async def get_schema(name: str) -> dict[str, Any]:
    if name not in _PUBLISHED:
        raise not_found("there is no such message")
    schema = msgspec.json.schema(_PUBLISHED[name], schema_hook=lambda _secret: {"type": "string"})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
