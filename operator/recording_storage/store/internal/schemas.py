"""The messages as JSON Schema, for whoever writes another client."""

from typing import Any

from fastapi import APIRouter

from recording_storage.protocol.base import PROTOCOL_VERSION, Problem
from recording_storage.store.internal.problems import not_found
from recording_storage.store.internal.wire import MESSAGES

router = APIRouter(prefix="/internal/v1/schemas")

_PUBLISHED = MESSAGES | {"Problem": Problem}


@router.get("")
async def list_schemas() -> dict[str, Any]:
    return {"protocol": PROTOCOL_VERSION, "schemas": sorted(_PUBLISHED)}


@router.get("/{name}")
async def get_schema(name: str) -> dict[str, Any]:
    if name not in _PUBLISHED:
        raise not_found("there is no such message")
    schema = _PUBLISHED[name].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
