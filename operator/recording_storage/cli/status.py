"""`recording-storage status`: how a spool stands, at a glance."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from recording_storage.cli.errors import WorkRemains
from recording_storage.cli.reasons import goes_on, in_words, next_try
from recording_storage.cli.spool_access import SpoolAccess, spool_option
from recording_storage.domain.amounts import counted, format_bytes
from recording_storage.domain.durations import format_duration
from recording_storage.domain.states import RecordingState
from recording_storage.terminal import Column, Row, format_age, lay_out, printable, terminal_width

_COLUMNS = (Column("STATE"), Column("COUNT", right=True), Column("SIZE", right=True))

_NOT_IN_FORCE = {
    "awaited": "new recordings wait: the store has not answered since the start",
    "journalled": "new recordings wait, noted for where the plan of before sends them: the store has not answered "
    "since the start",
}
"""By the standing of the plans."""


@click.command(name="status")
@spool_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--check", is_flag=True, help="Exit with 3 while a recording is not at its destination yet.")
def command(spool: Path, *, as_json: bool, check: bool) -> None:
    """Show how a spool stands: counts and bytes by state, the oldest, free space, the store, what is wrong.

    States are of what is not finished: released and deleted recordings are not counted.

    JSON fields: spool, spool_id, running, standby, version, started_at, states ({state: {count, size}}),
    unfinished, reasons ([{state, code, message, count, retry_at}]: why they are there), sent_bytes (of uploads
    under way), growing (files that their recorder has not finished), unproven (those of them that may be finished
    for long and are not taken: {count, oldest, files: [{file, size, since, why}]}), oldest, free_bytes,
    total_bytes, time_to_full (seconds or null), intake_stopped, destinations ([{account_sid, destination_id, url,
    state, error, probe_at, vouches_by (what the server was seen to compare, "nothing", or null while not asked)}]),
    held ([{account_sid, destination_id, url, error, probe_at}]),
    last_error and last_error_at ("" and null once an upload has worked again), store
    ({mode, connected, error, plan, assigned}: the plan is awaited or journalled until the store has answered since
    the start, then in_force; assigned is false while nobody has said whose the spool is), revisions ({account:
    revision}). Sizes are bytes, times ISO 8601, UTC.

    Exit codes: 0 done, whatever the spool's state; with --check 3 while work remains; 1 failed; 2 wrong use.
    """
    answer = SpoolAccess(spool).ask_one({"do": "status"})
    if as_json:
        click.echo(json.dumps(answer))
    else:
        for line in _lines(answer):
            click.echo(line)
    unseen = answer["growing"] and not answer["running"]
    if check and (answer["unfinished"] or answer["unproven"]["count"] or unseen):
        raise WorkRemains


def _waits(store: Mapping[str, Any]) -> Iterator[str]:
    if (plan := store.get("plan")) in _NOT_IN_FORCE:
        yield f"NO PLAN    {_NOT_IN_FORCE[plan]}"
    if not store.get("assigned", True):  # an uploader of before does not say it
        yield "NO ACCOUNT new recordings wait: the spool is assigned to no account yet; see its claim's RecordingSpool"


def _lines(answer: Mapping[str, Any]) -> Iterator[str]:
    now = datetime.now(UTC)
    running = f"running, version {answer['version']}" if answer["running"] else "NOT RUNNING"
    if answer["standby"]:
        running = "standing by for another uploader"
    yield f"spool      {answer['spool']} ({answer['spool_id']})"
    yield f"uploader   {running}"
    yield f"store      {_store(answer['store'])}"
    yield from _waits(answer["store"])
    for account, revision in answer["revisions"].items():
        yield f"plan       {account} revision {revision}"
    yield f"disk       {_disk(answer)}"
    if answer["oldest"]:
        yield f"oldest     {format_age(now, answer['oldest'])} unfinished"
    if answer["growing"] and answer["running"]:
        yield f"recorder   {answer['growing']} not finished yet"
    elif answer["growing"]:
        yield f"NOT TAKEN  files that no uploader has looked at: {answer['growing']}; start one"
    yield from _unproven(now, answer["unproven"])
    if answer["intake_stopped"]:
        yield f"STOPPED    nothing new is taken: {answer['intake_stopped']}"
    yield from _troubled(answer, now=now)
    yield from _proof(answer)
    if answer["last_error"]:
        ago = f"{format_age(now, answer['last_error_at'])} ago: " if answer["last_error_at"] else ""
        yield f"last error {ago}{printable(answer['last_error'])}"
    yield ""
    if answer["states"]:
        yield from _states(answer, now=now)
    else:
        yield "no unfinished recordings"


def _proof(answer: Mapping[str, Any]) -> Iterator[str]:
    for destination in answer["destinations"]:
        if destination.get("vouches_by"):
            yield f"proof      {printable(destination['url'])} vouches by {destination['vouches_by']}"


def _states(answer: Mapping[str, Any], *, now: datetime) -> Iterator[str]:
    """A line for each state that has recordings, then one for each further reason."""
    rows = []
    for state in RecordingState:
        tally = answer["states"].get(state)
        if tally is None:
            continue
        first, *further = _reasons(answer, state, now=now) or [""]
        rows.append(Row((state, str(tally["count"]), format_bytes(tally["size"])), note=first))
        rows += [Row(("", "", ""), note=reason) for reason in further]
    yield from lay_out(_COLUMNS, rows, note="WHY", width=terminal_width())


def _reasons(answer: Mapping[str, Any], state: RecordingState, *, now: datetime) -> list[str]:
    if state is RecordingState.UPLOADING and answer["sent_bytes"]:
        return [f"{format_bytes(answer['sent_bytes'])} of large ones sent"]
    reasons = []
    for reason in answer["reasons"]:
        if reason["state"] == state:
            when = goes_on(state, reason, reason["retry_at"], now=now)
            some = f"{reason['count']} of them" if reason["count"] < answer["states"][state]["count"] else ""
            reasons.append(": ".join(filter(None, [some, when, in_words(reason)])))
    return reasons


def _unproven(now: datetime, unproven: Mapping[str, Any]) -> Iterator[str]:
    if unproven["count"]:
        age = f" for {format_age(now, unproven['oldest'])}" if unproven["oldest"] else ""
        yield f"NOT TAKEN  {counted(unproven['count'], 'file')}, the oldest unchanged{age}:"
        for file in unproven["files"]:
            yield f"           {file['file']}: {file['why']}"
        if unproven["count"] > len(unproven["files"]):
            yield "           … see recording-storage recordings --state unproven"


def _troubled(answer: Mapping[str, Any], *, now: datetime) -> Iterator[str]:
    failing = [destination for destination in answer["destinations"] if destination["state"] == "failing"]
    for word, destinations in (("HELD", answer["held"]), ("FAILING", failing)):
        for destination in destinations:
            probe = next_try(destination["probe_at"], now=now)
            yield f"{word:<10} {destination['url']}: {printable(destination['error'])}{f' ({probe})' if probe else ''}"


def _store(store: Mapping[str, Any]) -> str:
    if store["mode"] == "alone":
        return "none, runs alone with a configuration of its own"
    if store["mode"] == "unknown":
        return "not asked, no uploader runs"
    return "connected" if store["connected"] else f"NOT CONNECTED: {store['error'] or 'not reached yet'}"


def _disk(answer: Mapping[str, Any]) -> str:
    free, total = answer["free_bytes"], answer["total_bytes"]
    if free is None:
        return "unknown"
    share = f" of {format_bytes(total)}" if total else ""
    full = answer["time_to_full"]
    return f"{format_bytes(free)} free{share}" + (f", full in {format_duration(full)}" if full is not None else "")
