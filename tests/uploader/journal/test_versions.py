"""The journal across versions: an older one is brought up to date, a newer one is used or refused, never spoiled."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from recording_storage.domain.checksum import Checksum
from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.recording import StoredFacts
from recording_storage.uploader.journal import records, schema, transitions
from recording_storage.uploader.journal.database import Journal
from recording_storage.uploader.journal.schema import MIGRATIONS, SchemaTooNewError
from tests.uploader.journal.test_database import new

LATER = """
ALTER TABLE recordings ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm';
CREATE TABLE later (id INTEGER PRIMARY KEY);
"""


def write(folder: Path, script: str) -> None:
    connection = sqlite3.connect(folder / "journal.db")
    connection.executescript(script)
    connection.close()


def read(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "journal.db")
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def first_journal(folder: Path, *, checksums: list[str]) -> None:
    """As the first version left it: stored recordings, each with its checksum as bare base64."""
    write(folder, f"{MIGRATIONS[0]} PRAGMA user_version=1; INSERT INTO meta VALUES ('begun_at', '1.0');")
    for number, checksum in enumerate(checksums, start=1):
        write(
            folder,
            "INSERT INTO recordings (id, sid, account_sid, product, path, state, inode, size, mtime_ns, content_type,"
            f" found_at, changed_at, pinned, destination_id) VALUES ({number}, 'RE{number:032x}', 'AC', 'voice',"
            f" '{number}.wav', 'stored', {number}, 10, 1, 'audio/wav', 1.0, 2.0, 1, 'd');"
            f" INSERT INTO objects VALUES ({number}, 0, 'calls/{number}.wav', 'http://h/b/{number}', 'e', '{checksum}',"
            f" '{'ab' * 32}', 10, 3.0, NULL);",
        )


def all_of(journal: Journal) -> list[records.Recording]:
    return journal.run(lambda c: records.select(c, "1", tail="ORDER BY r.id"))


def test_the_first_version_s_journal_is_read_and_its_checksums_get_their_names(tmp_path: Path) -> None:
    sha, crc = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", "rosUhgp5mIg="
    first_journal(tmp_path, checksums=[sha, crc, ""])
    journal = Journal.open(tmp_path, known_spool=True)
    try:
        found = [one.stored for one in all_of(journal)]
    finally:
        journal.close()
    assert [one and one.checksum for one in found] == [Checksum("SHA256", sha), Checksum("CRC64NVME", crc), None]
    assert {one and one.version_id for one in found} == {""}
    assert read(tmp_path, "SELECT value FROM meta WHERE key='oldest_schema'") == [(str(schema.OLDEST),)]


def test_what_the_first_version_wrote_after_a_rollback_gets_its_name_too(tmp_path: Path) -> None:
    first_journal(tmp_path, checksums=["rosUhgp5mIg="])
    for _ in range(2):
        journal = Journal.open(tmp_path, known_spool=True)
        [one] = all_of(journal)
        journal.close()
        assert one.stored is not None
        assert one.stored.checksum == Checksum("CRC64NVME", "rosUhgp5mIg=")
        write(tmp_path, "UPDATE objects SET checksum_algorithm=NULL;")  # as it writes them: it knows no such column


@pytest.fixture
def as_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, int], None]:
    """The next version opens the journal and goes away again; it names the oldest schema that may follow it."""

    def open_(folder: Path, oldest: int) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, LATER))
            patch.setattr(schema, "OLDEST", oldest)
            Journal.open(folder, known_spool=True).close()

    return open_


def test_after_a_rollback_the_newer_journal_is_used_as_it_is(
    tmp_path: Path, as_later: Callable[[Path, int], None]
) -> None:
    as_later(tmp_path, len(MIGRATIONS))
    facts = StoredFacts("http://h/b/k", "e", Checksum("XXHASH3", "AA=="), "ab" * 32, 10, 3.0, version_id="v1")

    def live(connection: sqlite3.Connection) -> None:
        records.add(connection, [new(1)], now=1.0)
        [one] = records.select(connection, "1")
        transitions.begin(connection, [(one, "k")], single_up_to=100, now=2.0)
        [one] = records.select(connection, "1")
        transitions.apply(connection, [records.Change(one, RecordingState.STORED, stored=facts)], now=3.0)

    journal = Journal.open(tmp_path, known_spool=True)
    try:
        journal.run(live)
        assert [one.stored for one in all_of(journal)] == [facts]
    finally:
        journal.close()
    assert read(tmp_path, "PRAGMA user_version") == [(len(MIGRATIONS) + 1,)]
    as_later(tmp_path, len(MIGRATIONS))
    assert read(tmp_path, "SELECT state, mood FROM recordings") == [("stored", "calm")]
    assert read(tmp_path, "SELECT count(*) FROM later") == [(0,)]


def test_a_newer_journal_that_this_version_would_spoil_is_refused_and_left_alone(
    tmp_path: Path, as_later: Callable[[Path, int], None]
) -> None:
    as_later(tmp_path, len(MIGRATIONS) + 1)
    before = (tmp_path / "journal.db").read_bytes()
    with pytest.raises(SchemaTooNewError, match="run the newer version again"):
        Journal.open(tmp_path, known_spool=True)
    assert (tmp_path / "journal.db").read_bytes() == before


def test_a_newer_journal_that_names_no_oldest_version_is_refused(tmp_path: Path) -> None:
    first_journal(tmp_path, checksums=[])
    write(tmp_path, f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    with pytest.raises(SchemaTooNewError, match="run the newer version again"):
        Journal.open(tmp_path, known_spool=True)
