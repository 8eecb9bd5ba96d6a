"""What nobody moves any more would be late, silently."""

import json
import os
import sqlite3
import time
from types import SimpleNamespace

import pytest

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.proof import Proof
from recording_storage.uploader.core.clock import SystemClock
from recording_storage.uploader.scheduler import health
from recording_storage.uploader.scheduler.destination import Lane
from recording_storage.uploader.transfer.checksum_trust import ChecksumTrust
from recording_storage.uploader.transfer.part_pool import PartPool
from recording_storage.uploader.transfer.task import Outcome, Task
from recording_storage.uploader.transfer.upload_slots import UploadSlots
from tests.s3.gate import Gate
from tests.uploader.spools import FakeClock, SpoolFolder
from tests.waiting import SOON, eventually


def test_a_denial_that_comes_while_a_credential_is_looked_up_is_not_forgotten() -> None:
    threads = []

    class Scheduler:
        def post(self, work):
            threads.append(work)

        def settle(self, lane, outcomes, *, confirmation):
            assert confirmation
            fatal = [o for o in outcomes if o.failure is not None and o.failure.kind is FailureClass.FATAL]
            if fatal:
                subject.checks.confirm(lane, fatal)

        hold = release = end_denied = lambda *_: None

    parts = SimpleNamespace(
        clock=SimpleNamespace(monotonic=time.monotonic, now=time.time),
        source=SimpleNamespace(refresh=lambda **_: True),
        plans=SimpleNamespace(terms=lambda *_: None, live=True),
    )
    subject = health.HealthChecks(parts, scheduler=Scheduler(), backlog=Scheduler(), dispatch=None)  # type: ignore[arg-type]
    lane = Lane(
        ("a", "d"),
        perform=lambda *_: None,  # type: ignore[arg-type,return-value]
        done=lambda *_: None,
        slots=UploadSlots(1, most_lent=0, clock=SystemClock()),
        share=PartPool().share(),
        trust=ChecksumTrust(lambda *_: Proof(voucher=None), clock=FakeClock()),
    )
    task = Task(SimpleNamespace(sid="s"), "k", None)  # type: ignore[arg-type]
    subject.checks.refresh(lane, [Outcome(task, failure=S3Failure(FailureClass.CREDENTIAL, code="x", message="x"))])
    denied = Outcome(task, failure=S3Failure(FailureClass.FATAL, code="AccessDenied", message="x"))
    subject.checks.confirm(lane, [denied])
    deadline = time.monotonic() + SOON
    while not threads and time.monotonic() < deadline:
        time.sleep(0.01)
    threads.pop(0)()
    assert denied in lane.limbo


def test_a_clock_that_is_set_back_delays_no_retry(gated: SpoolFolder, door: Gate) -> None:
    """It was five hours ahead when the retry was planned."""
    door.refuse()
    gated.put("a.wav")
    with gated.running() as running:
        running.await_states({"a.wav": "waiting"})
    with sqlite3.connect(gated.root / ".recording-storage" / "journal.db") as journal:
        journal.execute("UPDATE recordings SET retry_at = retry_at + 18000, changed_at = changed_at + 18000")
    journal.close()
    door.open()
    with gated.running() as running:
        running.await_states({"a.wav": "released"})


def test_a_file_that_changed_while_its_destination_was_held_is_taken_in_the_end(
    gated: SpoolFolder, door: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FIRST_PROBE", 0.5)
    monkeypatch.setattr("recording_storage.uploader.spool.intake.RESCAN", 0.3)
    door.answer(r"^(PUT|GET|POST) ", 404, code="NoSuchBucket", times=10**6)
    path = gated.put("a.wav")
    with gated.running() as running:
        running.await_states({"a.wav": "held"})
        # it changes, and intake learns of that while the row is held
        content = b"longer" * 1000
        path.write_bytes(content)
        os.utime(path, (1.7e9, 1.7e9))
        gated.contents["a.wav"] = content
        running.uploader.intake.await_again("a.wav")
        scans = running.uploader.intake.scans
        eventually(lambda: running.uploader.intake.scans >= scans + 2, what="one scan that began after the change")
        door.clear()
        running.await_states({"a.wav": "released"})
    gated.check_all_stored()


def test_a_key_that_is_too_long_does_not_hold_up_those_behind_it(quick: SpoolFolder) -> None:
    quick.write_config(policy=json.dumps({"keyTemplate": "{source_name}/" * 6 + "{recording_sid}{ext}"}))
    long = f"{'0' * 200}.wav"
    others = [f"{number:03}.wav" for number in range(1, 150)]
    for name in (long, *others):
        quick.put(name, 10)
    with quick.running() as running:
        found = running.await_states({long: "parked", **dict.fromkeys(others, "released")})
        assert found[long].error is not None
        assert "1024 bytes" in found[long].error.message
