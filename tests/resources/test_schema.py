"""What holds for every property of every generated schema."""

from collections.abc import Iterator

import pytest

from recording_storage.resources import KINDS, Resource
from recording_storage.resources.definition import custom_resource_definition
from recording_storage.resources.openapi import Schema, structural_schema
from recording_storage.resources.rules import VALIDATIONS

pytestmark = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)

LENGTH = {"string": "maxLength", "array": "maxItems"}


def walk(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Each schema below `schema` with its path; entries of lists and maps end in `[]`."""
    for name, each in schema.get("properties", {}).items():
        yield f"{path}.{name}", each
        yield from walk(each, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield f"{path}[]", schema[name]
            yield from walk(schema[name], f"{path}[]")


def spec_and_status(kind: type[Resource]) -> Iterator[tuple[str, Schema]]:
    return (entry for entry in walk(structural_schema(kind)) if entry[0].startswith((".spec", ".status")))


def test_every_property_is_described(kind: type[Resource]) -> None:
    undescribed = [
        path for path, each in spec_and_status(kind) if not path.endswith("[]") and not each.get("description")
    ]
    assert undescribed == []


def test_every_property_has_one_type_and_no_reference(kind: type[Resource]) -> None:
    for path, each in spec_and_status(kind):
        assert isinstance(each["type"], str), path
        assert not {"$ref", "anyOf", "allOf", "nullable", "title", "const"} & set(each), path


def test_every_string_and_list_has_an_end(kind: type[Resource]) -> None:
    """Else a rule on it, now or later, has no bound for its cost."""
    endless = [
        path
        for path, each in spec_and_status(kind)
        if (limit := LENGTH.get(each["type"])) and not ({limit, "enum", "format"} & set(each))
    ]
    assert endless == []


def test_every_list_says_how_it_is_merged(kind: type[Resource]) -> None:
    silent = [
        path for path, each in spec_and_status(kind) if each["type"] == "array" and "x-kubernetes-list-type" not in each
    ]
    assert silent == []


def test_every_rule_tells_a_person_what_to_do(kind: type[Resource]) -> None:
    for path, each in spec_and_status(kind):
        for rule in each.get(VALIDATIONS, []):
            assert rule["message"], path
            assert "self" not in rule["message"], path


def test_selectable_fields_and_columns_are_there(kind: type[Resource]) -> None:
    version = custom_resource_definition(kind)["spec"]["versions"][0]
    known = {path for path, _ in walk(structural_schema(kind))} | {".metadata.creationTimestamp"}
    paths = [each["jsonPath"] for each in (*version["selectableFields"], *version["additionalPrinterColumns"])]
    assert {path for path in paths if "?(" not in path} <= known
    assert len(version["selectableFields"]) <= 8  # the API server takes no more


def test_no_field_holds_a_secret(kind: type[Resource]) -> None:
    """References to Secrets and their keys, yes; values, never."""
    suspicious = ("password", "token", "secretaccesskey", "privatekey", "authtoken")
    names = {path.rpartition(".")[2].lower() for path, _ in spec_and_status(kind)}
    assert not {name for name in names if name.endswith(suspicious)}
