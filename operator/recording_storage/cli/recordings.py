"""`recording-storage recordings`: each recording of a spool."""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from recording_storage.cli.reasons import UNPROVEN, note_of
from recording_storage.cli.spool_access import SpoolAccess, spool_option
from recording_storage.domain.amounts import format_bytes
from recording_storage.domain.states import RecordingState
from recording_storage.terminal import Column, Row, format_age, lay_out, printable, terminal_width

_STATES = [*(state.value for state in RecordingState), UNPROVEN]
WATCH_EVERY = 1.0
"""Seconds."""
COLUMNS = (
    Column("STATE"),
    Column("SID"),
    Column("SIZE", right=True, spare=1),
    Column("AGE", right=True, spare=3),
    Column("TRIES", right=True, spare=2),
    Column("FILE"),
)


@click.command(name="recordings")
@spool_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each recording.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(_STATES), help="Only recordings in this state; repeatable."
)
@click.option("--watch", is_flag=True, help="Stay and show changes, looking once a second, until Ctrl-C.")
def command(spool: Path, *, as_json: bool, states: tuple[str, ...], watch: bool) -> None:
    """Show each recording: state, size, attempts, next try, why, and where it is.

    On a terminal, what doesn't fit goes on a line below, whole; elsewhere each recording is one line.

    JSON fields: sid, account_sid, product, file, size (bytes), state, sent (bytes of a large upload under way, or
    null), found_at, changed_at, attempts, retry_at (or null), media_url (or null), sha256 (hex, or null), objects
    ([{destination, key, version_id, checksum: {algorithm, value} or null, url, etag, size}], once stored), error
    ({kind, code, message} or null). Times are ISO 8601, UTC.

    Files that have not changed for long and are not taken, because nothing proves that they are finished, are shown as
    state unproven, with no sid yet, while an uploader runs.

    Exit codes: 0 done, 1 failed, 2 wrong use.
    """
    access = SpoolAccess(spool)
    request = {"do": "recordings", "states": list(states)}
    try:
        if as_json:
            _print_json(access, request, watch=watch)
        elif watch and sys.stdout.isatty():
            _watch_table(access, request)
        else:
            _print_table(access.ask(request))
    except KeyboardInterrupt:
        if not watch:
            raise


def _print_json(access: SpoolAccess, request: Mapping[str, Any], *, watch: bool) -> None:
    shown: dict[str, str] = {}
    while True:
        for item in access.ask(request):
            line = json.dumps(item)
            name = item["sid"] or item["file"]
            if shown.get(name) != line:
                click.echo(line)
                if watch:
                    shown[name] = line
        if not watch:
            return
        time.sleep(WATCH_EVERY)


def _watch_table(access: SpoolAccess, request: Mapping[str, Any]) -> None:
    from rich.live import Live  # noqa: PLC0415 - takes longer to import than the rest of the command to run
    from rich.text import Text  # noqa: PLC0415

    def picture() -> Text:
        return Text("\n".join(_lines(access.ask(request))), overflow="fold")

    with Live(picture(), auto_refresh=False, screen=True, vertical_overflow="ellipsis") as live:
        while True:
            time.sleep(WATCH_EVERY)
            live.update(picture(), refresh=True)


def _print_table(items: Iterable[Mapping[str, Any]]) -> None:
    head, *lines = _lines(items)
    if not lines:
        click.echo("no recordings")
        return
    click.secho(head, bold=True)
    for line in lines:
        click.echo(line)


def _lines(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    now = datetime.now(UTC)
    rows = [
        Row(
            (
                item["state"],
                item["sid"] or "",
                format_bytes(item["size"]),
                format_age(now, item["found_at"] or item["changed_at"]),
                str(item["attempts"]),
                printable(item["file"]),
            ),
            note=note_of(item, now=now),
        )
        for item in items
    ]
    return lay_out(COLUMNS, rows, note="WHERE OR WHY", width=terminal_width())
