"""Killed at any moment while servers do odd things, an uploader loses, doubles and overwrites nothing."""

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from recording_storage.domain.backoff import MOST
from recording_storage.domain.policy import FatalErrorPolicy
from recording_storage.domain.states import RecordingState
from recording_storage.s3.probe import PROBE_NAME
from recording_storage.uploader.core.fault_points import FAULT_POINTS
from tests.field.account_spool import AccountSpool
from tests.field.actions import add_header, corrupt, lose, refuse, reset
from tests.field.exchange import ALL, BODIES, WRITES, Action, Exchange, Moment, Operation, Rule, is_recording
from tests.field.integrity import Vouching, everything
from tests.field.killing import KILLED, killed_at
from tests.field.server import FieldBucket, FieldServer
from tests.field.storage import StoredObject
from tests.uploader.spools import MIB, SpoolFolder
from tests.uploader.store_link.fake_store import FakeStore
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
KILLS = 100
FINISH = MOST + 60.0
"""Seconds; what has failed in many lives waits that long for its last try."""


@pytest.mark.parametrize("point", FAULT_POINTS)
def test_killed_at_a_named_point_of_an_odd_server(field: FieldServer, field_spool: SpoolFolder, point: str) -> None:
    for operation in (Operation.PUT, Operation.COMPLETE):
        field.on(operation, lose, at=Moment.ANSWER, times=1, when=is_recording)
    field.on(Operation.BEGIN, refuse(503, "SlowDown"), times=1, when=is_recording)
    field.on(Operation.PART, corrupt, times=1, when=is_recording)
    for number in range(12):
        field_spool.put(f"call-{number}.wav", 20_000 - number)
    field_spool.put("room/track.mkv", 17 * MIB)
    (field_spool.root / "call-1.wav.done").touch()
    (field_spool.root / "call-2.wav.recording.json").write_text('{"call_sid": "CA1"}')
    crashed = field_spool.once(fault=point)
    assert crashed.returncode == KILLED, f"{point} was not passed: {crashed.stderr}"
    finished = field_spool.once()
    assert finished.returncode == 0, finished.stderr
    field_spool.check_all_stored()


def checks_parts_only(exchange: Exchange) -> Vouching:
    return Vouching() if exchange.operation is Operation.PUT else everything()


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("vouching", [checks_parts_only, everything()])
class TestKilledAmidAFalseValue:
    """That goes over the recording's own object, whether it is taken or not; nobody else's is ever there."""

    @pytest.fixture(autouse=True)
    def _false(self, field: FieldServer, vouching: Vouching | Callable[[Exchange], Vouching]) -> None:
        field.vouching = vouching
        field.on(Operation.PUT, corrupt)  # what isn't compared arrives otherwise

    def test_what_it_has_left_is_replaced(
        self, field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder, moment: Moment
    ) -> None:
        field_spool.put("a.wav", 3_000)
        for _ in range(2):
            killed_at(field_spool, field, Operation.PUT, at=moment)
        finished = field_spool.once()
        assert finished.returncode == 0, finished.stderr
        field_spool.check_all_stored()
        (one,) = field_bucket.objects.values()
        assert one.parts == 1

    def test_a_key_that_somebody_else_has_is_not_touched(
        self, field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder, moment: Moment
    ) -> None:
        """The first recording finds out; the other one's key is taken while the uploader is away."""
        field_spool.put("a.wav", 3_000)
        killed_at(field_spool, field, Operation.PART, at=moment, when=is_recording)
        (upload,) = [one for one in field_bucket.storage.uploads.values() if PROBE_NAME not in one.key]
        theirs = StoredObject(upload.key, b"somebody else's", "e" * 32, {})
        field_bucket.objects[upload.key] = theirs
        assert field_spool.once().returncode == 3
        assert field_bucket.objects == {upload.key: theirs}
        assert field_bucket.storage.overwritten == []
        assert field_spool.media() == ["a.wav"]


class Odd(NamedTuple):
    """What one destination does to each `every`th of these requests, and what it compares."""

    action: Action = lambda _exchange: None
    moment: Moment = Moment.BODY
    operations: frozenset[Operation] = ALL
    every: int = 1
    vouching: Callable[[Exchange], Vouching] = lambda _exchange: everything()


ODD: dict[str, Odd] = {
    "loses each third answer": Odd(lose, Moment.ANSWER, WRITES, 3),
    "resets each fourth request before it does anything": Odd(reset, Moment.BODY, ALL, 4),
    "turns a bit of each twentieth body": Odd(corrupt, Moment.BODY, BODIES, 20),
    "has no time for each second write": Odd(refuse(503, "SlowDown"), Moment.BODY, WRITES, 2),
    "has weak ETags": Odd(add_header("etag", lambda etag: f"W/{etag}"), Moment.ANSWER, BODIES, 1),
    "compares parts alone": Odd(vouching=checks_parts_only),
    "compares parts alone, turns a bit of others": Odd(
        corrupt, Moment.BODY, frozenset({Operation.PUT}), 1, checks_parts_only
    ),
    "compares parts alone, loses each fifth answer": Odd(lose, Moment.ANSWER, WRITES, 5, checks_parts_only),
    "compares nothing, and its ETags are MD5s": Odd(vouching=lambda _exchange: Vouching()),
    "is as it should be": Odd(),
}


def _of(bucket: str) -> Callable[[Exchange], bool]:
    return lambda exchange: exchange.bucket == bucket


def _now_and_then(bucket: str, *, every: int) -> Callable[[Exchange], bool]:
    chance = random.Random(bucket)
    return lambda exchange: exchange.bucket == bucket and chance.randrange(every) == 0


@pytest.fixture
def deletes(field: FieldServer, accounts: AccountSpool) -> tuple[str, Rule]:
    """An account that wants those deleted that its bucket denies: for ever each third, whose upload may yet begin."""
    bucket = field.bucket()
    came: dict[str, int] = {}

    def is_denied(exchange: Exchange) -> bool:
        if exchange.bucket != bucket.name or not is_recording(exchange):
            return False
        return came.setdefault(exchange.key, len(came)) % 3 == 2

    refused = {Operation.PUT, Operation.PART, Operation.COMPLETE}
    denial = field.on(refused, refuse(403, "AccessDenied"), when=is_denied)
    return accounts.add(bucket, fatal_error_policy=FatalErrorPolicy.DELETE, denial_grace=0), denial


@pytest.fixture
def accounts(field: FieldServer, tmp_path: Path) -> Iterator[AccountSpool]:
    store = FakeStore()
    spool = AccountSpool(tmp_path / "spool", store)
    vouching = {}
    for odd in ODD.values():
        bucket = field.bucket()
        spool.add(bucket)
        vouching[bucket.name] = odd.vouching
        if odd.action in {lose, reset}:  # by chance: a count might always meet the same request of a retry
            field.on(odd.operations, odd.action, at=odd.moment, when=_now_and_then(bucket.name, every=odd.every))
        else:
            field.on(odd.operations, odd.action, at=odd.moment, every=odd.every, when=_of(bucket.name))
    field.vouching = lambda exchange: (
        vouching[exchange.bucket](exchange) if exchange.bucket in vouching else everything()
    )
    yield spool
    store.close()


def test_killed_a_hundred_times_at_random(
    field: FieldServer, accounts: AccountSpool, deletes: tuple[str, Rule]
) -> None:
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
    account, denial = deletes
    field.mend(
        *[rule for rule in field._rules if rule is not denial]
    )  # by bad luck a try would fail again, and the pause after it be as long once more
    accounts.put(account, "last.wav", 1_000)  # what was deleted right before a kill is swept with the next recording
    with accounts.process():
        accounts.await_released(seconds=FINISH)
        buckets = accounts.buckets.values()
        eventually(lambda: not any(bucket.uploads() for bucket in buckets), what="no upload is open anywhere")
    deleted = {name for name in accounts.those(RecordingState.DELETED) if name.startswith(account)}
    assert deleted
    denied = {one.key for one in field.seen(status=403)}
    sids = {one.sid for one in accounts.store.recordings.values() if one.file in deleted}
    assert all(any(sid in key for key in denied) for sid in sids), "only what was itself denied"
    accounts.check_all_stored(but=deleted)
