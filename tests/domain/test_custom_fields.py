"""A recorder's own fields are kept as they are, or left out by name; whatever is kept, every keeper can take."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording_storage.domain.custom_fields import MAX_BYTES, MAX_DEPTH, fault_of, fitting

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(st.dictionaries(st.text(max_size=3000), VALUES | st.text(max_size=9000), max_size=8))
def test_what_fits_is_kept_whole_and_all_else_is_named(fields: dict[str, Any]) -> None:
    kept, left_out = fitting(fields)
    assert set(kept) | set(left_out) == set(fields)
    assert not set(kept) & set(left_out)
    assert fault_of(kept) is None
    assert json.loads(json.dumps(kept, allow_nan=False).encode("ascii")) == kept
    assert len(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()) <= MAX_BYTES
    assert {name: fields[name] for name in kept} == kept


def test_the_first_that_fit_are_kept() -> None:
    kept, left_out = fitting({"a": "x" * 5000, "b": "y" * 5000, "c": 1})
    assert (sorted(kept), left_out) == (["a", "c"], ["b"])


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("a\0b", "NUL"),
        ({"a\0": 1}, "NUL"),
        ("\ud800", "half a character"),
        (float("nan"), "finite"),
        ([{"x": float("inf")}], "finite"),
        (2**63, "too large"),
        (nested(MAX_DEPTH), "levels"),
        ("x" * MAX_BYTES, "bytes"),
        (object(), "no JSON"),
    ],
)
def test_what_can_not_be_kept_is_left_out(value: Any, word: str) -> None:
    fault = fault_of({"f": value})
    assert fault is not None
    assert word in fault
    assert fitting({"f": value, "g": "fine"}) == ({"g": "fine"}, ["f"])


def test_the_deepest_that_is_kept() -> None:
    value = nested(MAX_DEPTH - 1)
    assert fitting({"f": value}) == ({"f": value}, [])
