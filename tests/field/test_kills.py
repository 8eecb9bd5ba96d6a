"""Killed at any moment while servers do odd things, an uploader loses, doubles and overwrites nothing."""

import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from recording_storage.uploader.faults import FAULT_POINTS
from tests.field.account_spool import AccountSpool
from tests.field.actions import add_header, corrupt, lose, refuse, reset
from tests.field.exchange import ALL, BODIES, WRITES, Action, Exchange, Moment, Operation
from tests.field.server import FieldServer
from tests.uploader.spools import MIB, SpoolFolder
from tests.uploader_link.fake_store import FakeStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
KILLED = -signal.SIGKILL
KILLS = 100
FINISH = 60.0
"""Seconds; a backoff that has grown to its end, twice."""


@pytest.mark.parametrize("point", FAULT_POINTS)
def test_killed_at_a_named_point_of_an_odd_server(field: FieldServer, field_spool: SpoolFolder, point: str) -> None:
    for operation in (Operation.PUT, Operation.COMPLETE):
        field.on(operation, lose, at=Moment.ANSWER, times=1)
    field.on(Operation.BEGIN, refuse(503, "SlowDown"), times=1)
    field.on(Operation.PART, corrupt, times=1)
    for number in range(4):
        field_spool.put(f"call-{number}.wav", 20_000 + number)
    field_spool.put("room/track.mkv", 17 * MIB)
    (field_spool.root / "call-1.wav.done").touch()
    (field_spool.root / "call-2.wav.recording.json").write_text('{"call_sid": "CA1"}')
    crashed = field_spool.once(fault=point)
    assert crashed.returncode == KILLED, f"{point} was not passed: {crashed.stderr}"
    finished = field_spool.once()
    assert finished.returncode == 0, finished.stderr
    field_spool.check_all_stored()


Odd = tuple[Action, Moment, frozenset[Operation], int]
ODD: dict[str, Odd] = {
    "loses each third answer": (lose, Moment.ANSWER, WRITES, 3),
    "resets each fourth request before it does anything": (reset, Moment.BODY, ALL, 4),
    "turns a bit of each twentieth body": (corrupt, Moment.BODY, BODIES, 20),
    "has no time for each second write": (refuse(503, "SlowDown"), Moment.BODY, WRITES, 2),
    "has weak ETags": (add_header("etag", lambda etag: f"W/{etag}"), Moment.ANSWER, BODIES, 1),
    "is as it should be": (lambda _: None, Moment.BODY, ALL, 1),
}
"""What one destination does."""


def _of(bucket: str) -> Callable[[Exchange], bool]:
    return lambda exchange: exchange.bucket == bucket


@pytest.fixture
def accounts(field: FieldServer, tmp_path: Path) -> Iterator[AccountSpool]:
    store = FakeStore()
    spool = AccountSpool(tmp_path / "spool", store)
    for action, moment, operations, every in ODD.values():
        bucket = field.bucket()
        spool.add(bucket)
        field.on(operations, action, at=moment, every=every, when=_of(bucket.name))
    yield spool
    store.close()


@pytest.mark.skip(reason="NOT DONE: a kill amid a false value at a server that compares nothing parks one as Unproven")
def test_killed_a_hundred_times_at_random(field: FieldServer, accounts: AccountSpool) -> None:
    """Every second time after so many answers, else after so much time: that is when releases are hit, too."""
    seed = int(os.environ.get("CRASH_SEED", "20261129"))
    chance = random.Random(seed)
    for kill in range(KILLS):
        for account in chance.sample(list(accounts.buckets), 2):
            accounts.put(account, f"call-{kill}.wav", chance.randrange(1_000, 60_000))
        if kill % 10 == 0:
            accounts.put(chance.choice(list(accounts.buckets)), f"track-{kill}.mkv", 17 * MIB + kill)
        answers = len(field.exchanges) + chance.randrange(1, 12)
        with accounts.process() as child:
            if kill % 2:
                field.await_answers(answers, seconds=3.0)
            else:
                with suppress(subprocess.TimeoutExpired):
                    child.wait(chance.uniform(0.2, 1.2))
            assert child.poll() is None, f"seed {seed}: it ended by itself"
    with accounts.process():
        accounts.await_released(seconds=FINISH)
    accounts.check_all_stored()
