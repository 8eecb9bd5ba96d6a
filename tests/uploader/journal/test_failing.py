"""A journal that fails for a moment fails for no longer."""

import threading

import pytest

from recording_storage.uploader.app import Options, Uploader
from recording_storage.uploader.journal.database import Journal, JournalError
from recording_storage.uploader.scheduler.cleanup import Cleanup
from recording_storage.uploader.spool.folder import Spool
from tests.uploader.spools import SpoolFolder
from tests.waiting import SOON


def test_a_start_that_fails_leaves_no_lock_on_the_journal(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(quick.root)
    spool.prepare()
    options = Options(spool=quick.root, config=quick.config)

    def fail(_: Cleanup) -> None:
        raise JournalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(Cleanup, "finish", fail)
        with pytest.raises(JournalError, match="I/O"):
            Uploader(options, spool=spool).run(threading.Event())
    Journal.open(spool.folder, known_spool=True).close()


def test_a_closed_journal_keeps_nobody_waiting(quick: SpoolFolder) -> None:
    spool = Spool(quick.root)
    spool.prepare()
    journal = Journal.open(spool.folder, known_spool=False)
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.submit(lambda connection: connection.execute("SELECT 1").fetchone()).result(timeout=SOON)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_in_the_journals_thread_keeps_nobody_waiting(quick: SpoolFolder) -> None:
    spool = Spool(quick.root)
    spool.prepare()
    journal = Journal.open(spool.folder, known_spool=False)

    def burst(_: object) -> None:
        raise SystemError("a defect that is no Exception of ours")

    def worse(_: object) -> None:
        raise SystemExit

    with pytest.raises(SystemError):
        journal.run(burst)
    with pytest.raises(JournalError):
        journal.submit(worse).result(timeout=SOON)
    with pytest.raises(JournalError):
        journal.submit(lambda _: 1).result(timeout=SOON)
    journal.close()


def test_a_journal_that_a_crash_left_empty_counts_as_lost(quick: SpoolFolder) -> None:
    spool = Spool(quick.root)
    spool.prepare()
    first = Journal.open(spool.folder, known_spool=False)
    assert not first.rebuilt
    first.close()
    again = Journal.open(spool.folder, known_spool=True)
    assert not again.rebuilt
    again.close()
    for part in spool.folder.glob("journal.db*"):
        part.unlink()
    (spool.folder / "journal.db").touch()
    lost = Journal.open(spool.folder, known_spool=True)
    assert lost.rebuilt
    lost.close()
