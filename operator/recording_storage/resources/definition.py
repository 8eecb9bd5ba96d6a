"""The CustomResourceDefinition of a kind."""

from typing import Any

from recording_storage.resources.common import AGE, GROUP, READY, REASON, VERSION, Column, Resource
from recording_storage.resources.openapi import structural_schema


def custom_resource_definition(kind: type[Resource]) -> dict[str, Any]:
    """As one applies it."""
    names = kind.names
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{names.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/part-of": "recording-storage"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.__name__,
                "listKind": f"{kind.__name__}List",
                "plural": names.plural,
                "singular": names.singular,
                "shortNames": [names.short],
                "categories": ["recordings"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": structural_schema(kind)},
                    "subresources": {"status": {}},
                    "selectableFields": [{"jsonPath": path} for path in kind.selectable],
                    "additionalPrinterColumns": [_column(each) for each in (READY, REASON, *kind.columns, AGE)],
                }
            ],
        },
    }


def _column(column: Column) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    return entry | ({"priority": column.priority} if column.priority else {})
