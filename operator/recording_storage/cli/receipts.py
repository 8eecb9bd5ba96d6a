"""`recording-storage receipts`: what an uploader that runs alone has written of what it stored."""

import json
from pathlib import Path
from typing import Any

import click

from recording_storage.cli.errors import Failure
from recording_storage.domain.amounts import counted
from recording_storage.domain.system_errors import plain_reason
from recording_storage.uploader.standalone.receipt_chain import Check


@click.group(name="receipts")
def command() -> None:
    """Receipts: one line of JSON for each stored recording, in SPOOL/.recording-storage/receipts.jsonl.

    Files that have grown are put aside beside it as receipts-NUMBER.jsonl, NUMBER being the seq of their first line.

    Exit codes: 0 done, 1 failed, 2 wrong use.
    """


@command.command(short_help="No receipt was changed, removed or put in.")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Check that no receipt was changed, removed or put in: each line has the SHA-256 of the line before.

    Several files are checked as one, in the order given; receipts-*.jsonl receipts.jsonl is the right one.
    Lines from before the chain are counted. That the last lines were cut off, or the very last one changed, does
    not show in the files: keep the last seq and SHA-256 that this prints, and compare.

    JSON fields: ok, receipts (in the chain), older (lines from before it), first_seq and last_seq, last_sha256 (of the
    last line), begins ({file, line} of the chain's first line, or null), continues (true: it goes on from a line that
    was not given), incomplete (true: the last line is being written, or was cut by a crash; the uploader's next
    start mends that), broken ({file, line, why} or null).

    Exit codes: 0 the chain is whole; 1 it is broken, or a file can't be read; 2 wrong use.
    """
    check = Check()
    for path in files:
        try:
            with path.open("rb") as lines:
                if not check.file(str(path), lines):
                    break
        except OSError as error:
            raise Failure(f"{path} can't be read: {plain_reason(error)}") from error
    if as_json:
        click.echo(json.dumps(_answer(check)))
    else:
        for line in _lines(check):
            click.echo(line)
    if check.broken:
        file, number, why = check.broken
        raise Failure(f"{file}: line {number}: {why}")


def _answer(check: Check) -> dict[str, Any]:
    return {
        "ok": check.broken is None,
        "receipts": check.receipts,
        "older": check.older,
        "first_seq": check.first_seq,
        "last_seq": check.last.seq if check.begins else None,
        "last_sha256": check.last.prev if check.begins else None,
        "begins": dict(zip(("file", "line"), check.begins, strict=True)) if check.begins else None,
        "continues": check.continues,
        "incomplete": check.incomplete,
        "broken": dict(zip(("file", "line", "why"), check.broken, strict=True)) if check.broken else None,
    }


def _lines(check: Check) -> list[str]:
    """For a person; the break itself is the command's error."""
    lines = []
    if check.older:
        lines.append(f"{counted(check.older, 'older receipt')} from before the chain, not secured by it")
    if check.begins:
        state = "whole so far" if check.broken else "whole"
        lines.append(f"{counted(check.receipts, 'receipt')}, seq {check.first_seq} to {check.last.seq}: {state}")
        if check.older or check.continues:
            file, number = check.begins
            before = " and goes on from an earlier file" if check.continues else ""
            lines.append(f"the chain begins at {file}, line {number}{before}")
        lines.append(f"last line: seq {check.last.seq}, SHA-256 {check.last.prev}")
    elif not check.broken:
        lines.append("no receipt of the chain")
    if check.incomplete and not check.broken:
        lines.append(
            "the last line has no end: it is being written, or a crash cut it; the uploader's next start mends it"
        )
    return lines
