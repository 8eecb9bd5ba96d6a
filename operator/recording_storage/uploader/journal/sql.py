"""Many rows in one statement.

SQLite's module lets go of the interpreter's lock for every step of a statement, and each time another thread may take
it: a statement for each of a thousand rows costs two thousand context switches, one statement for all of them two.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

T = TypeVar("T")

MOST = 500
"""Rows of one statement: SQLite takes 32,766 parameters, and no row here has more than 60."""


def groups(items: Iterable[T]) -> Iterator[list[T]]:
    """The items, as many at a time as one statement takes."""
    left = iter(items)
    while group := list(islice(left, MOST)):
        yield group


def marks(values: Collection[object]) -> str:
    """`?,?,?`, for `IN (…)`."""
    return ",".join("?" * len(values))


def table(rows: Collection[Sequence[Any]]) -> str:
    """`(?,?),(?,?)`, for `VALUES …`; rows of one length, at least one."""
    one = f"({marks(next(iter(rows)))})"
    return ",".join([one] * len(rows))


def flat(rows: Iterable[Sequence[Any]]) -> list[Any]:
    """The parameters that go with `table`."""
    return list(chain.from_iterable(rows))
