"""`recordings`, `retry`, `status`: the same answers from a running uploader and from an idle spool's journal."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from recording_storage.cli import spool_access
from recording_storage.cli.main import main
from recording_storage.domain.states import Product, RecordingState
from recording_storage.uploader.core.recording import EntryError, Identity
from recording_storage.uploader.journal import records
from recording_storage.uploader.journal.database import Journal
from recording_storage.uploader.spool.folder import Spool
from recording_storage.uploader.status.control_socket import ControlServer
from recording_storage.uploader.status.idle import IdleView
from recording_storage.uploader.status.requests import Inspection, LinkState
from tests.uploader.store_link.conftest import ACCOUNT

S = RecordingState
SIDS = {state: f"RE{number:032x}" for number, state in enumerate(RecordingState)}
DENIED = EntryError("fatal", "AccessDenied", "the bucket's policy [forbids] it")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def fill(connection: sqlite3.Connection) -> None:
    """One recording in each state."""
    for state, sid in SIDS.items():
        error = DENIED if state in {S.REJECTED, S.PARKED, S.HELD, S.WAITING} else None
        new = records.NewRecording(
            sid=sid,
            account_sid=ACCOUNT,
            product=Product.VOICE,
            path=f"folder/{state}.wav",
            identity=Identity(inode=1, size=2048, mtime_ns=1),
            content_type="audio/wav",
            state=state,
            pinned=True,
            error=error,
        )
        records.add(connection, [new], now=1_700_000_000.0)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.root.mkdir()
    spool.prepare()
    journal = Journal.open(spool.folder, known_spool=False)
    journal.run(fill)
    journal.close()
    return spool


@pytest.fixture(params=["idle", "running"])
def served(request: pytest.FixtureRequest, spool: Spool) -> Iterator[Path]:
    """The spool, with an uploader's socket or without."""
    if request.param == "idle":
        yield spool.root
        return
    with spool.locked():
        journal = Journal.open(spool.folder, known_spool=True)
        inspection = Inspection(IdleView(journal, spool=spool), link=lambda: LinkState(mode="store", connected=True))
        server = ControlServer(spool.folder, handler=inspection.answer)
        assert server.start()
        yield spool.root
        server.close()
        journal.close()


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_recordings_are_told_one_object_a_line(served: Path):
    items = {item["sid"]: item for item in lines(run("recordings", "--spool", served, "--json"))}
    assert set(items) == set(SIDS.values())
    rejected = items[SIDS[S.REJECTED]]
    assert rejected["state"] == "rejected"
    assert rejected["file"] == "folder/rejected.wav"
    assert rejected["error"] == {"kind": "fatal", "code": "AccessDenied", "message": DENIED.message}
    assert {"sid", "file", "state", "attempts", "retry_at", "media_url", "error"} <= set(rejected)


def test_recordings_can_be_asked_by_state(served: Path):
    items = lines(run("recordings", "--spool", served, "--json", "--state", "parked", "--state", "held"))
    assert {item["state"] for item in items} == {"parked", "held"}


def test_the_table_says_what_a_person_looks_for(served: Path):
    result = run("recordings", "--spool", served)
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if "folder/parked.wav" in line)
    assert "2.0 KiB" in line
    assert "on retry" in line
    assert "AccessDenied: the bucket's policy [forbids] it" in line


def test_retry_moves_what_is_parked_and_rejected_for_good(served: Path):
    result = run("retry", "--spool", served, "--json")
    retried = {item["sid"] for item in lines(result)[0]["retried"]}
    assert {SIDS[S.PARKED], SIDS[S.REJECTED]} <= retried
    states = {item["sid"]: item["state"] for item in lines(run("recordings", "--spool", served, "--json"))}
    assert states[SIDS[S.PARKED]] == "found"
    assert states[SIDS[S.RELEASED]] == "released"


def test_retry_of_one_moves_that_one(served: Path):
    result = run("retry", "--spool", served, SIDS[S.PARKED], SIDS[S.STORED])
    assert result.exit_code == 0
    assert "1 recording will be tried again" in result.stdout
    assert "left, it is stored" in result.stdout
    states = {item["sid"]: item["state"] for item in lines(run("recordings", "--spool", served, "--json"))}
    assert states[SIDS[S.PARKED]] == "found"
    assert states[SIDS[S.REJECTED]] == "rejected"


def test_retry_of_an_unknown_sid_is_wrong_use_and_moves_nothing(served: Path):
    unknown = "RE" + "f" * 32
    result = run("retry", "--spool", served, SIDS[S.PARKED], unknown)
    assert result.exit_code == 2
    assert unknown in result.stderr
    assert SIDS[S.PARKED] not in result.stderr
    states = {item["sid"]: item["state"] for item in lines(run("recordings", "--spool", served, "--json"))}
    assert states[SIDS[S.PARKED]] == "parked"


def test_retry_of_something_that_is_no_sid_is_wrong_use(served: Path):
    assert run("retry", "--spool", served, "call.wav").exit_code == 2


def test_status_counts_and_measures(served: Path):
    (answer,) = lines(run("status", "--spool", served, "--json"))
    assert answer["states"]["parked"] == {"count": 1, "size": 2048}
    assert answer["unfinished"] == 8
    assert answer["free_bytes"] > 0
    assert "AccessDenied" in answer["last_error"]
    text = run("status", "--spool", served)
    assert text.exit_code == 0
    assert "unfinished" in text.stdout
    assert run("status", "--spool", served, "--check").exit_code == 3


def test_a_folder_that_no_uploader_served_is_told_in_one_line(tmp_path: Path):
    for command in ("recordings", "retry", "status"):
        result = run(command, "--spool", tmp_path)
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1


def test_a_missing_folder_is_wrong_use(tmp_path: Path):
    assert run("recordings", "--spool", tmp_path / "missing", "--json").exit_code == 2


def test_a_spool_that_is_held_elsewhere_is_told_with_its_holder(spool: Spool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spool_access, "START_TIME", 0.2)
    with spool.locked():
        result = run("status", "--spool", spool.root)
    assert result.exit_code == 1
    assert "process" in result.stderr


def test_an_older_uploader_says_what_it_does_not_know(spool: Spool):
    server = ControlServer(spool.folder, handler=Inspection(_nothing(), link=lambda: LinkState("alone")).answer)
    assert server.start()
    with pytest.raises(spool_access.Failure, match="doesn't know the request 'dance'"):
        list(spool_access.SpoolAccess(spool.root).ask({"do": "dance"}))
    server.close()


def _nothing() -> Any:
    return None
