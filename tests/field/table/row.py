"""One row of the table: what a server does, and what must hold whatever it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.field.server import FieldServer
from tests.field.storage import Storage


class Holds(StrEnum):
    STORED = "stored"
    """Each is stored whole and once, and nobody is needed."""
    COMES_BACK = "comes back"
    """Nothing is stored, parked or given up; when the server is mended all is stored by itself."""
    PARKED = "parked"
    """Each is parked with the row's code, where one was stored before; when the server is mended, `retry` is enough."""


class Way(StrEnum):
    """How a recording goes."""

    SINGLE = "single"
    MULTIPART = "multipart"


BOTH = (Way.SINGLE, Way.MULTIPART)
ONLY_SINGLE = (Way.SINGLE,)
ONLY_MULTIPART = (Way.MULTIPART,)


@dataclass(frozen=True)
class Row:
    name: str
    odd: Callable[[FieldServer, Storage], object]
    """Makes the server so; may give the rule that has to have acted then."""
    holds: Holds
    ways: tuple[Way, ...] = BOTH
    sent_once: bool = False
    """Each byte goes to the server once: nothing is sent again."""
    size: int = 0
    """Bytes of each file; 0: as is usual for the way."""
    code: str = ""
    """Of the error that parked ones have."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a product's plan."""

    def __str__(self) -> str:
        return self.name
