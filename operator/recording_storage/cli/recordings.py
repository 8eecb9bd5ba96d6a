"""`recording-storage recordings`: each recording of a spool."""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recording_storage.cli.spool_access import SpoolAccess, spool_option
from recording_storage.cli.units import format_age, format_bytes
from recording_storage.domain.states import RecordingState

if TYPE_CHECKING:
    from rich.table import Table

_STATES = [*(state.value for state in RecordingState), "unproven"]
WATCH_EVERY = 1.0
"""Seconds."""


@click.command(name="recordings")
@spool_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each recording.")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only these; repeatable.")
@click.option("--watch", is_flag=True, help="Stay, and show changes until Ctrl-C.")
def command(spool: Path, *, as_json: bool, states: tuple[str, ...], watch: bool) -> None:
    """Show each recording: state, size, attempts, next try, why, and where it is.

    JSON fields: sid, account_sid, product, file, size, state, found_at, attempts, retry_at, media_url, sha256,
    error ({kind, code, message} or null).

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

    with Live(_table(access.ask(request)), auto_refresh=False, screen=True) as live:
        while True:
            time.sleep(WATCH_EVERY)
            live.update(_table(access.ask(request)), refresh=True)


def _print_table(items: Iterable[Mapping[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - as above

    table = _table(items)
    if not table.row_count:
        click.echo("no recordings")
        return
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def _table(items: Iterable[Mapping[str, Any]]) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("STATE", "FILE", "SIZE", "AGE", "TRIES", "NEXT TRY", "SID", "WHERE OR WHY"):
        table.add_column(name, justify="right" if name in {"SIZE", "AGE", "TRIES"} else "left", overflow="fold")
    now = datetime.now(UTC)
    for item in items:
        error = item["error"]
        why = f"{error['code']}: {error['message']}" if error else ""
        cells = (
            item["state"],
            item["file"],
            format_bytes(item["size"]),
            _age(now, item["found_at"] or item["changed_at"]),
            str(item["attempts"]),
            _next_try(now, item),
            item["sid"] or "",
            item["media_url"] or why,
        )
        table.add_row(*map(Text, cells))  # Text: a file's name is not markup
    return table


def _age(now: datetime, since: str | None) -> str:
    return format_age(now, since) if since else ""


def _next_try(now: datetime, item: Mapping[str, Any]) -> str:
    if item["state"] in {RecordingState.PARKED, RecordingState.REJECTED}:
        return "on retry"
    if not item["retry_at"]:
        return ""
    seconds = (datetime.fromisoformat(item["retry_at"]) - now).total_seconds()
    return "now" if seconds <= 0 else f"in {seconds:.0f}s"
