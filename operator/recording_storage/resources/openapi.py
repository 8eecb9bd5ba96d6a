"""From a model's JSON schema to the structural OpenAPI v3 schema that the API server wants."""

from collections.abc import Mapping
from typing import Any

from recording_storage.resources.common import Resource
from recording_storage.resources.rules import VALIDATIONS

Schema = dict[str, Any]

_UNSUPPORTED = frozenset({"title", "const"})
_REFERENCE = "#/$defs/"
_FIRST = ("description", "type", "format", "enum", "default", "required", "properties")


def structural_schema(kind: type[Resource]) -> Schema:
    """The schema of a whole object: no references, no nulls, each property described."""
    document = kind.model_json_schema(by_alias=True, mode="validation")
    definitions = document.get("$defs", {})
    properties = {name: _inline(document["properties"][name], definitions) for name in ("spec", "status")}
    properties["status"]["default"] = {"observedGeneration": -1}  # kstatus: in progress until the operator has seen it
    schema: Schema = {
        "description": _one_line(document["description"]),
        "type": "object",
        "properties": {
            "apiVersion": {"description": "Version of this form of the object.", "type": "string"},
            "kind": {"description": f"{kind.__name__}.", "type": "string"},
            "metadata": {"type": "object"},
            **properties,
        },
    }
    required = [name for name in document.get("required", []) if name in properties]
    rules = {VALIDATIONS: document[VALIDATIONS]} if VALIDATIONS in document else {}
    return schema | ({"required": required} if required else {}) | rules


def _inline(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """`schema` with what it refers to put in its place."""
    flat = _resolve(schema, definitions)
    result: Schema = {key: value for key, value in flat.items() if key not in _UNSUPPORTED}
    if "description" in result:
        result["description"] = _one_line(result["description"])
    if "default" in result:
        result["default"] = _without_nulls(result["default"])
        if result["default"] is None:
            del result["default"]  # absent, not null
    if "properties" in result:
        result["properties"] = {name: _inline(each, definitions) for name, each in result["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(result.get(name), dict):
            result[name] = _inline(result[name], definitions)
    if "atomic" in (result.get("x-kubernetes-map-type"), result.get("x-kubernetes-list-type")):
        result = {key: _without_defaults(each) for key, each in result.items()}
    return {key: result[key] for key in sorted(result, key=_place)}


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """Follows `$ref` and the `anyOf` of an optional field; what stands beside them wins, rules add up."""
    own = dict(schema)
    if "$ref" in own:
        target = definitions[own.pop("$ref").removeprefix(_REFERENCE)]
    elif "anyOf" in own:
        (target,) = (each for each in own.pop("anyOf") if each != {"type": "null"})
    else:
        return own
    merged = _resolve(target, definitions)
    rules = [*merged.get(VALIDATIONS, []), *own.get(VALIDATIONS, [])]
    merged |= own
    return merged | ({VALIDATIONS: rules} if rules else {})


def _without_defaults(value: Any) -> Any:
    """Of what lies inside of an atomic value, which is one manager's as a whole.

    A default would become that manager's, too, and the same manifest from a second one, without it, a conflict. The
    models have these defaults for themselves.
    """
    if isinstance(value, dict):
        return {key: _without_defaults(each) for key, each in value.items() if key != "default"}
    return [_without_defaults(each) for each in value] if isinstance(value, list) else value


def _without_nulls(value: Any) -> Any:
    """A default in full: the API server checks it against the rules before the members' own defaults fill it."""
    if isinstance(value, dict):
        cleaned = {key: _without_nulls(each) for key, each in value.items()}
        return {key: each for key, each in cleaned.items() if each not in (None, {})}
    return value


def _place(key: str) -> tuple[int, str]:
    """Where a person looks first; the rest by the alphabet."""
    return (_FIRST.index(key) if key in _FIRST else len(_FIRST), key)


def _one_line(text: str) -> str:
    return " ".join(text.split())
