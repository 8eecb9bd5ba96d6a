"""No rule without a case that breaks it."""

from collections.abc import Iterator
from itertools import chain

import pytest

from recording_storage.resources import KINDS, Resource
from recording_storage.resources.openapi import Schema, structural_schema
from recording_storage.resources.rules import VALIDATIONS
from tests.resources.cases import TABLES


def messages_of(schema: Schema) -> Iterator[str]:
    yield from (rule["message"] for rule in schema.get(VALIDATIONS, []))
    inner = (schema.get("items"), schema.get("additionalProperties"))
    for each in chain(schema.get("properties", {}).values(), inner):
        if each:
            yield from messages_of(each)


# A type that is the only one yet: whatever else type says is refused before the rule is asked.
UNREACHABLE = {"staticKeys may only be given when type is StaticKeys"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_rule_is_broken_by_some_case(kind: type[Resource]) -> None:
    expected = [
        message
        for table in TABLES.values()
        if table.good["kind"] == kind.__name__
        for _, _, message in (*table.refused, *table.updates_refused)
    ]
    untested = {
        message for message in messages_of(structural_schema(kind)) if not any(each in message for each in expected)
    }
    assert untested <= UNREACHABLE
