"""What a recorder says beyond the known fields: kept as it is, within bounds that journal, report and store share."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

MAX_BYTES = 8 << 10
"""Of all of them, as compact JSON in UTF-8."""
MAX_DEPTH = 5
"""Mappings and lists in each other, the mapping of the fields itself included."""
_MAX_INTEGER = 2**63 - 1


def fitting(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Those that can be kept, in their order, as long as there is room; and the names of the others."""
    kept: dict[str, Any] = {}
    left_out: list[str] = []
    size = len("{}")
    for name, value in fields.items():
        length = len(_compact({name: value})) - len("{}") + len(",") if fault_of({name: value}) is None else MAX_BYTES
        if size + length > MAX_BYTES:
            left_out.append(name)
        else:
            kept[name] = value
            size += length
    return kept, left_out


def fault_of(fields: Mapping[str, Any]) -> str | None:
    """Why fields can't be kept as they are; None: they can."""
    fault = next(_faults(fields, depth=MAX_DEPTH), None)
    if fault is None and len(_compact(fields)) > MAX_BYTES:
        fault = f"more than {MAX_BYTES} bytes"
    return fault


def _faults(value: object, *, depth: int) -> Iterator[str]:
    if isinstance(value, (dict, list)):
        if depth == 0:
            yield f"more than {MAX_DEPTH} levels"
            return
        inside = (*value, *value.values()) if isinstance(value, dict) else value
        for each in inside:
            yield from _faults(each, depth=depth - 1)
    elif (fault := _fault_of_one(value)) is not None:
        yield fault


def _fault_of_one(value: object) -> str | None:
    match value:
        case str() if "\0" in value:
            return "a NUL in it"
        case str() if any("\ud800" <= letter <= "\udfff" for letter in value):
            return "half a character in it"
        case int() if abs(value) > _MAX_INTEGER:
            return "too large a number"
        case float() if not math.isfinite(value):
            return "not a finite number"
        case str() | int() | float() | None:  # a boolean is an int
            return None
        case _:
            return "a value that is no JSON"


def _compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
