"""Text for people: tables that break no value, sizes, ages, and names that are safe to print."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from recording_storage.domain.durations import format_duration

GAP = "  "


@dataclass(frozen=True)
class Column:
    name: str
    right: bool = False
    """Numbers stand at the right."""
    spare: int = 0
    """0: always shown; else dropped where there is no room, the highest first."""


@dataclass(frozen=True)
class Row:
    cells: Sequence[str]
    note: str = ""
    """A sentence or an address: beside the cells where all of them fit, else on a line of its own."""


def lay_out(columns: Sequence[Column], rows: Sequence[Row], *, note: str, width: int | None) -> Iterator[str]:
    """The lines of a table, its header first.

    No value is broken or shortened, since people copy them: what is too wide goes on a line of its own, and if it
    doesn't fit there either, the terminal folds it. Columns are dropped before that.

    Args:
        columns: one for each cell of a row.
        rows: what it shows.
        note: the header of the notes.
        width: of the terminal, in cells; None where nothing has to fit: one line for each row.
    """
    notes_beside = any(row.note for row in rows)
    if width is not None and _width(columns, rows, with_note=notes_beside) > width:
        notes_beside = False
        while _width(columns, rows, with_note=False) > width and any(column.spare for column in columns):
            out = max(range(len(columns)), key=lambda index: columns[index].spare)
            columns = [column for index, column in enumerate(columns) if index != out]
            rows = [Row([cell for index, cell in enumerate(row.cells) if index != out], row.note) for row in rows]
    widths = _widths(columns, rows)
    head = Row([column.name for column in columns], note if notes_beside else "")
    for row in (head, *rows):
        cells = [
            " " * (width - cells_of(cell)) + cell if column.right else cell + " " * (width - cells_of(cell))
            for cell, column, width in zip(row.cells, columns, widths, strict=True)
        ]
        if notes_beside:
            yield GAP.join([*cells, row.note]).rstrip()
            continue
        if line := GAP.join(cells).rstrip():
            yield line
        if row.note:
            yield GAP + row.note


def cells_of(text: str) -> int:
    """How many cells of a terminal it takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - few names need its tables

    return cell_len(text)


def terminal_width() -> int | None:
    """Of standard output; None where that is no terminal."""
    import shutil  # noqa: PLC0415 - the uploader, which starts fast, wants none of it

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def printable(text: str) -> str:
    """Names and messages come from elsewhere: a line end or an escape sequence in them is shown, not obeyed."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def format_age(now: datetime, since: str) -> str:
    """`since` is an ISO time."""
    return format_duration(max(0.0, round((now - datetime.fromisoformat(since)).total_seconds())))


def _width(columns: Sequence[Column], rows: Sequence[Row], *, with_note: bool) -> int:
    widths = _widths(columns, rows)
    if with_note:
        widths.append(max(cells_of(row.note) for row in rows))
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _widths(columns: Sequence[Column], rows: Sequence[Row]) -> list[int]:
    return [
        max([cells_of(column.name), *(cells_of(row.cells[index]) for row in rows)])
        for index, column in enumerate(columns)
    ]
