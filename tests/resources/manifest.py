"""Manifests that a case changes in a place or two."""

import copy
from collections.abc import Mapping
from typing import Any, Final

import yaml

Manifest = dict[str, Any]
Changes = Mapping[str, Any]
"""By dotted path: the value to set there, or ABSENT."""

ABSENT: Final = object()


def manifest(text: str) -> Manifest:
    """The object in `text`, which needs neither apiVersion nor metadata."""
    return {"apiVersion": "recordingstorage.dev/v1alpha1", "metadata": {"name": "subject"}} | yaml.safe_load(text)


def changed(original: Manifest, changes: Changes) -> Manifest:
    """A copy of `original` with `changes`."""
    result = copy.deepcopy(original)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is ABSENT:
            place.pop(last, None)
        else:
            place[last] = copy.deepcopy(value)
    return result
