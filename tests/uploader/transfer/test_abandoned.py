"""Multipart uploads that were given up are aborted, each once, whatever becomes of the others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.states import Product, RecordingState
from recording_storage.uploader.core.recording import Identity
from recording_storage.uploader.journal import records
from recording_storage.uploader.journal.database import Journal
from recording_storage.uploader.journal.records import AttemptOutcome
from recording_storage.uploader.transfer.abandoned import sweep

ACCOUNT, OTHER = f"AC{'0' * 32}", f"AC{'1' * 32}"
DESTINATION = (ACCOUNT, "d")


class Server:
    """Notes what it is to abort; refuses some of it."""

    def __init__(self, **refusals: FailureClass) -> None:
        self.asked: list[str] = []
        self._refusals = refusals

    def abort_multipart(self, key: str, *, upload_id: str) -> None:
        self.asked.append(upload_id)
        assert key == f"key of {upload_id}"
        if (kind := self._refusals.get(upload_id)) is not None:
            raise S3Failure(kind, code="No", message="not now")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path, known_spool=False)
    yield opened
    opened.close()


def enter(
    journal: Journal,
    upload_id: str,
    outcome: AttemptOutcome = AttemptOutcome.ABANDONED,
    *,
    account: str = ACCOUNT,
    destination: str = "d",
    state: RecordingState = RecordingState.FOUND,
) -> None:
    new = records.NewRecording(
        sid=f"RE{upload_id.encode().hex():0>32}",
        account_sid=account,
        product=Product.VOICE,
        path=upload_id,
        identity=Identity(1, 10, 1),
        content_type="audio/wav",
        state=state,
        pinned=True,
        destination_id=destination,
    )

    def work(connection: Any) -> None:
        [number] = records.add(connection, [new], now=0.0)
        [one] = records.select(connection, "r.id=?", (number,))
        attempt = records.add_attempt(connection, one, key=f"key of {upload_id}", now=0.0, upload_id=upload_id)
        records.set_attempt(connection, attempt, outcome=outcome)

    journal.run(work)


def swept(journal: Journal, server: Server) -> list[str]:
    """What the server was asked to abort."""
    sweep(DESTINATION, server, journal=journal)  # type: ignore[arg-type]
    return server.asked


def test_what_was_given_up_is_aborted_once(journal: Journal) -> None:
    for upload_id, state in (("u1", RecordingState.FOUND), ("u2", RecordingState.RELEASED)):
        enter(journal, upload_id, state=state)
    assert swept(journal, Server()) == ["u1", "u2"]
    assert swept(journal, Server()) == []


@pytest.mark.parametrize("outcome", sorted(set(AttemptOutcome) - {AttemptOutcome.ABANDONED}))
def test_nothing_else_is(journal: Journal, outcome: AttemptOutcome) -> None:
    enter(journal, "u1", outcome)
    assert swept(journal, Server()) == []


def test_each_destination_has_its_own(journal: Journal) -> None:
    enter(journal, "u1")
    enter(journal, "u2", account=OTHER)
    enter(journal, "u3", destination="e")
    assert swept(journal, Server()) == ["u1"]


def test_one_that_is_refused_keeps_none_of_the_others(journal: Journal) -> None:
    for upload_id in ("u1", "u2", "u3"):
        enter(journal, upload_id)
    assert swept(journal, Server(u1=FailureClass.FATAL)) == ["u1", "u2", "u3"]
    assert swept(journal, Server()) == ["u1"], "it is tried again, the others are done"


@pytest.mark.parametrize("kind", [FailureClass.TRANSIENT, FailureClass.THROTTLED])
def test_a_destination_that_does_not_answer_is_asked_once(journal: Journal, kind: FailureClass) -> None:
    for upload_id in ("u1", "u2"):
        enter(journal, upload_id)
    assert swept(journal, Server(u1=kind)) == ["u1"]
    assert swept(journal, Server()) == ["u1", "u2"]


def test_a_journal_that_takes_nothing_has_it_aborted_again(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(journal, "u1")
    with monkeypatch.context() as full:
        full.setattr(records, "set_attempt", _fail)
        assert swept(journal, Server()) == ["u1"]
    assert swept(journal, Server()) == ["u1"]


def _fail(*_: object, **__: object) -> None:
    from recording_storage.uploader.journal.database import JournalError  # noqa: PLC0415

    raise JournalError("disk full")
