"""What `recordings` and `status` print can be copied: no value is broken, whatever the width; and each says why."""

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from recording_storage.cli import recordings, status
from recording_storage.cli.main import main
from recording_storage.cli.reasons import note_of
from recording_storage.domain.amounts import counted, format_bytes
from recording_storage.domain.states import Product, RecordingState
from recording_storage.terminal import Column, Row, cells_of, lay_out
from recording_storage.uploader.core.recording import EntryError, Identity
from recording_storage.uploader.journal import records
from recording_storage.uploader.journal.database import Journal
from recording_storage.uploader.spool.folder import Spool
from recording_storage.uploader.status.control_socket import ControlServer
from recording_storage.uploader.status.idle import IdleView
from recording_storage.uploader.status.requests import Inspection, LinkState

S = RecordingState
SIDS = {state: f"RE{number:032x}" for number, state in enumerate(RecordingState)}
URL = "http://127.0.0.1:9000/recordings/calls/with/a/long/folder/{sid}.wav"
ERRORS = {
    S.WAITING: EntryError("transient", "ConnectionRefused", "nobody listens at 127.0.0.1:9000"),
    S.HELD: EntryError("hold", "NoSuchBucket", "the bucket recordings does not exist"),
    S.PARKED: EntryError("file", "KeyTaken", "another object\nhas \x1b[2Jthe key"),
    S.REJECTED: EntryError("fatal", "AccessDenied", "the bucket's policy forbids it"),
}
MIB = 1 << 20


def fill(connection: sqlite3.Connection) -> None:
    """One recording in each state."""
    now = time.time()
    for state, sid in SIDS.items():
        new = records.NewRecording(
            sid=sid,
            account_sid="AC" + "1" * 32,
            product=Product.VOICE,
            path=f"Übergabe {state}\n.wav",
            identity=Identity(inode=1, size=8 * MIB, mtime_ns=1),
            content_type="audio/wav",
            state=state,
            pinned=True,
            error=ERRORS.get(state),
        )
        (number,) = records.add(connection, [new], now=now - 90)
        if state in {S.STORED, S.REPORTED, S.RELEASED}:
            connection.execute(
                "INSERT INTO objects (recording_id, key, media_url, etag, checksum, sha256, size, stored_at)"
                " VALUES (?, 'k', ?, 'e', '', ?, ?, ?)",
                (number, URL.format(sid=sid), "a" * 64, 8 * MIB, now),
            )
        if state is S.WAITING:
            connection.execute("UPDATE recordings SET retry_at = ? WHERE id = ?", (now + 3600, number))


@pytest.fixture
def spool(tmp_path: Path):
    """Served by an uploader that has sent half of what it uploads."""
    spool = Spool(tmp_path / "spool")
    spool.root.mkdir()
    spool.prepare()
    with spool.locked():
        journal = Journal.open(spool.folder, known_spool=False)
        journal.run(fill)
        inspection = Inspection(
            IdleView(journal, spool=spool),
            link=lambda: LinkState(mode="store", connected=True),
            # the waiting one failed half-way: what was sent of it is no progress now
            under_way=lambda: {SIDS[S.UPLOADING]: (4 * MIB, 8 * MIB), SIDS[S.WAITING]: (2 * MIB, 8 * MIB)},
        )
        server = ControlServer(spool.folder, handler=inspection.answer)
        assert server.start()
        yield spool.root
        server.close()
        journal.close()


@pytest.fixture(params=[80, 100, 160, 400, None], ids=str)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int | None:
    for module in (recordings, status):
        monkeypatch.setattr(module, "terminal_width", lambda: request.param)
    return request.param


def printed(*arguments: str | Path) -> list[str]:
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_sids_addresses_and_names_stay_whole(spool: Path, width: int | None) -> None:
    lines = printed("recordings", "--spool", spool)

    for state, sid in SIDS.items():
        (line,) = [line for line in lines if sid in line.replace(URL.format(sid=sid), "")]
        assert f"Übergabe {state}\\n.wav" in line
        assert line.startswith(state)
        assert width is None or cells_of(line) <= width
    for state in (S.STORED, S.REPORTED, S.RELEASED):
        assert any(URL.format(sid=SIDS[state]) in line for line in lines)


def test_where_nothing_has_to_fit_a_recording_is_one_line(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # said of a terminal, which the output is not
    lines = printed("recordings", "--spool", spool)
    assert len(lines) == 1 + len(SIDS)
    assert lines[0].split() == ["STATE", "SID", "SIZE", "AGE", "TRIES", "FILE", "WHERE", "OR", "WHY"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (S.UPLOADING, "50 % sent, 4.0 MiB of 8.0 MiB"),
        (S.WAITING, "next try in 1h: ConnectionRefused: nobody listens at 127.0.0.1:9000"),
        (S.HELD, "until its destination works again: NoSuchBucket: the bucket recordings does not exist"),
        (S.PARKED, "on retry: KeyTaken: another object\\nhas \\x1b[2Jthe key"),
        (S.REJECTED, "until its destination grants access: AccessDenied: the bucket's policy forbids it"),
        (S.STORED, f"{URL.format(sid=SIDS[S.STORED])} (not reported yet)"),
        (S.REPORTED, f"{URL.format(sid=SIDS[S.REPORTED])} (the local file goes next)"),
        (S.RELEASED, URL.format(sid=SIDS[S.RELEASED])),
    ],
)
def test_each_state_says_where_or_why(spool: Path, state: RecordingState, words: str) -> None:
    (line,) = [line for line in printed("recordings", "--spool", spool) if line.startswith(state)]
    assert line.endswith(words)


def test_what_goes_on_once_it_is_mended_asks_for_no_retry() -> None:
    item = {"state": "parked", "media_url": None, "error": {"code": "InvalidMetadata", "message": "a.json: no JSON"}}
    assert note_of(item, now=datetime.now(UTC)) == "once it is mended: InvalidMetadata: a.json: no JSON"


def test_what_is_stored_and_parked_says_both() -> None:
    error = {"code": "ChangedAfterUpload", "message": "it was written to"}
    item = {"state": "parked", "media_url": "https://b/k", "error": error}
    words = "on retry: ChangedAfterUpload: it was written to (stored at https://b/k)"
    assert note_of(item, now=datetime.now(UTC)) == words


def test_status_says_why_beside_each_state(spool: Path, width: int | None) -> None:
    lines = printed("status", "--spool", spool)
    text = "\n".join(lines)
    for words in (
        "4.0 MiB of large ones sent",
        "next try in 1h: ConnectionRefused: nobody listens",
        "NoSuchBucket: the bucket recordings does not exist",
        "on retry: KeyTaken: another object\\nhas \\x1b[2Jthe key",
        "until its destination grants access: AccessDenied",
    ):
        assert words in text
    (last,) = [line for line in lines if line.startswith("last error")]
    assert "1m30s ago: " in last or "1m31s ago: " in last


def test_an_address_goes_beside_its_row_only_where_every_one_fits() -> None:
    columns = [Column("A"), Column("B", spare=1)]
    table = [Row(("a", "bb"), "short"), Row(("a", "b"), "x" * 20)]
    assert list(lay_out(columns, table, note="N", width=27)) == ["A  B   N", "a  bb  short", f"a  b   {'x' * 20}"]
    assert list(lay_out(columns, table, note="N", width=26)) == ["A  B", "a  bb", "  short", "a  b", f"  {'x' * 20}"]
    assert list(lay_out(columns, table, note="N", width=4)) == ["A", "a", "  short", "a", f"  {'x' * 20}"]


@pytest.mark.parametrize(
    ("count", "words", "size"),
    [(0, "0 files", "0 B"), (1, "1 file", "1 B"), (2, "2 files", "2 B"), (1536, "1536 files", "1.5 KiB")],
)
def test_amounts_have_their_plural_and_their_unit(count: int, words: str, size: str) -> None:
    assert (counted(count, "file"), format_bytes(count)) == (words, size)
