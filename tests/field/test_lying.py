"""Servers that keep other bytes than they were sent: such a recording is never called stored, and stays on the spool.

What is not checked is turned: every body that is longer than a probe's comes in with a bit of it changed.
"""

import secrets
from collections.abc import Callable

import pytest

from recording_storage.domain.states import RecordingState
from recording_storage.s3.probe import PROBE_NAME
from tests.field.actions import corrupt, lose, refuse, strip_answer, strip_request, succeed_early
from tests.field.arena import Arena
from tests.field.exchange import BODIES, Action, Exchange, Moment, Operation, is_recording
from tests.field.integrity import Check, Vouching, everything
from tests.field.killing import killed_at
from tests.field.server import FieldBucket, FieldServer
from tests.uploader.spools import MIB, FakeClock, SpoolFolder

NOTHING, CHECKED = Vouching(), everything()
SIZES = {"a.wav": 3_000, "b.wav": 3_000, "c.mkv": 9 * MIB}


def any_etag(_body: bytes) -> str:
    return secrets.token_hex(16)


def put_only(exchange: Exchange) -> Vouching:
    return CHECKED if exchange.operation is Operation.PUT else NOTHING


def up_to_a_mib(exchange: Exchange) -> Vouching:
    return CHECKED if exchange.size <= MIB else NOTHING


def fill(spool: SpoolFolder) -> None:
    for name, size in SIZES.items():
        spool.put(name, size)


def turn_what_is_unchecked(field: FieldServer) -> None:
    """Where digests are compared the turned body is refused, so nothing of it is kept."""
    field.on(BODIES, corrupt, when=lambda exchange: PROBE_NAME not in exchange.key)


@pytest.mark.parametrize(
    ("vouching", "etags"),
    [
        (everything(Check.ECHO), None),
        (NOTHING, None),
        (put_only, None),
        (NOTHING, any_etag),
        (everything(Check.ECHO), any_etag),
        (put_only, any_etag),
        (up_to_a_mib, any_etag),
        (CHECKED, any_etag),
        (everything(Check.STRIP), any_etag),
    ],
)
def test_what_was_turned_is_never_stored(
    field: FieldServer,
    field_bucket: FieldBucket,
    field_spool: SpoolFolder,
    vouching: Vouching | Callable[[Exchange], Vouching],
    etags: Callable[[bytes], str] | None,
) -> None:
    field.vouching = vouching
    if etags is not None:
        field_bucket.storage.etag_of = etags
    turn_what_is_unchecked(field)
    fill(field_spool)
    assert field_spool.once().returncode != 0
    assert field_spool.media() == sorted(SIZES)
    assert field_spool.receipts == []


@pytest.mark.parametrize("vouching", [NOTHING, everything(Check.ECHO), put_only])
def test_a_server_that_vouches_for_nothing_is_sent_nothing_until_it_does(
    field: FieldServer,
    field_bucket: FieldBucket,
    field_spool: SpoolFolder,
    vouching: Vouching | Callable[[Exchange], Vouching],
) -> None:
    field.vouching = vouching
    field_bucket.storage.etag_of = any_etag
    fill(field_spool)
    arena = Arena(field_spool, field_bucket, 0, FakeClock())
    with field_spool.running(clock=arena.clock) as running:
        found = running.await_states(dict.fromkeys(SIZES, RecordingState.HELD))
        error = found["a.wav"].error
        assert error is not None
        assert error.code == "Unverified"
        assert "trustUnverified: true" in error.message
        assert (field_bucket.keys(), field_bucket.uploads()) == ([], [])
        field.vouching = CHECKED
        arena.pass_until_all_are(RecordingState.RELEASED, running=running)
    field_spool.check_all_stored()


@pytest.mark.parametrize(
    "vouching",
    [
        CHECKED,
        everything(Check.STRIP),
        Vouching(md5=Check.CHECK),
        Vouching(payload=Check.CHECK),
        NOTHING,
        lambda exchange: NOTHING if exchange.operation is Operation.PUT else CHECKED,
    ],
)
def test_a_server_that_vouches_for_something_has_all(
    field: FieldServer, field_spool: SpoolFolder, vouching: Vouching | Callable[[Exchange], Vouching]
) -> None:
    field.vouching = vouching
    fill(field_spool)
    finished = field_spool.once()
    assert finished.returncode == 0, finished.stderr
    field_spool.check_all_stored()
    assert "vouches for what it stores by" in finished.stderr


def test_small_files_cost_one_request_each_where_the_server_checks(
    field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder
) -> None:
    for number in range(20):
        field_spool.put(f"{number}.wav", 3_000)
    assert field_spool.once().returncode == 0
    sent = [one for one in field.exchanges if PROBE_NAME not in one.key and one.key]
    first, others = [one for one in sent if one.key == sent[0].key], [one for one in sent if one.key != sent[0].key]
    assert [one.operation for one in first] == [Operation.BEGIN, Operation.PART, Operation.COMPLETE, Operation.PUT]
    assert first[-1].status == 400, "its false value"
    assert [(one.operation, one.status) for one in others] == [(Operation.PUT, 200)] * 19
    assert field_bucket.storage.overwritten == []


def test_a_server_that_checks_parts_only_is_sent_parts(
    field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder
) -> None:
    field.vouching = lambda exchange: NOTHING if exchange.operation is Operation.PUT else CHECKED
    field.on(Operation.PUT, corrupt)
    for number in range(5):
        field_spool.put(f"{number}.wav", 3_000)
    finished = field_spool.once()
    assert finished.returncode == 0, finished.stderr
    field_spool.check_all_stored()
    assert len(field.seen(Operation.PUT)) == 1
    assert len(field_bucket.storage.overwritten) == 2, "by its own false value, and that by its own parts"


def test_where_nothing_may_be_sent_over_an_object_small_files_go_in_parts(
    field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder
) -> None:
    """A bucket's policy may ask for If-None-Match with every object: it can't be tried whether single ones vouch."""
    denied = field.on(
        {Operation.PUT, Operation.COMPLETE},
        refuse(403, "AccessDenied", "Access Denied"),
        when=lambda exchange: "if-none-match" not in exchange.headers,
    )
    for number in range(5):
        field_spool.put(f"{number}.wav", 3_000)
    finished = field_spool.once()
    assert finished.returncode == 0, finished.stderr
    field_spool.check_all_stored()
    assert denied.acted == 1
    assert len(field.seen(Operation.PUT)) == 1
    assert field_bucket.storage.overwritten == []


def test_a_checksum_that_is_missing_from_an_answer_is_a_contradiction(
    field: FieldServer, field_spool: SpoolFolder
) -> None:
    """From then on another backend answers, which checks nothing and keeps other bytes."""
    fill(field_spool)
    lax = {"since": 10**9}
    field.vouching = lambda _: CHECKED if len(field.exchanges) < lax["since"] else NOTHING
    field.on(
        BODIES,
        corrupt,
        when=lambda exchange: PROBE_NAME not in exchange.key and len(field.exchanges) >= lax["since"],
    )
    rule = field.on(BODIES, strip_answer("x-amz-checksum-crc64nvme", "x-amz-checksum-sha256"), at=Moment.ANSWER)
    rule.when = lambda _: len(field.exchanges) >= lax["since"]
    assert field_spool.once().returncode == 0
    lax["since"] = 0
    field_spool.put("late.wav", 3_000)
    field_spool.put("late.mkv", 9 * MIB)
    assert field_spool.once().returncode != 0
    assert {"late.wav", "late.mkv"} <= set(field_spool.media())


def test_an_answer_that_names_an_empty_object_is_none_of_a_body(field: FieldServer, field_spool: SpoolFolder) -> None:
    """Something on the way has dropped it; the server compares checksums, and no answer names them."""
    field.vouching = everything(Check.STRIP)
    with field_spool.running() as running:
        for number in range(3):  # by then small ones go in one request
            field_spool.put(f"{number}.wav", 3_000)
            running.uploader.intake.rescan()
            running.await_states({f"{number}.wav": RecordingState.RELEASED})
        dropped = field.on(Operation.PUT, succeed_early(), at=Moment.BODY, times=1, when=is_recording)
        field_spool.put("a.wav", 3_000)
        running.uploader.intake.rescan()
        running.await_states({"a.wav": RecordingState.RELEASED})
    assert dropped.acted == 1
    field_spool.check_all_stored()


class TestLostAnswers:
    def test_a_checked_one_is_proof(self, field: FieldServer, field_spool: SpoolFolder) -> None:
        lost = field.on(Operation.PUT, lose, at=Moment.ANSWER, times=1, when=is_recording)
        with field_spool.running() as running:
            for name in ("first.wav", "a.wav"):
                field_spool.put(name, 3_000)
                running.uploader.intake.rescan()
                running.await_states({name: RecordingState.RELEASED})
        assert lost.acted == 1
        field_spool.check_all_stored()

    def test_a_false_value_s_is_none(
        self, field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder
    ) -> None:
        """This server takes it, over the recording's own object, and keeps other bytes of it."""
        field.vouching = checks_parts_only
        field.on(Operation.PUT, corrupt)
        field.on(Operation.PUT, lose, at=Moment.ANSWER)
        field_spool.put("a.wav", 3_000)
        finished = field_spool.once()
        assert finished.returncode == 0, finished.stderr
        field_spool.check_all_stored()
        (one,) = field_bucket.objects.values()
        assert one.parts == 1, "what the false value has left was replaced by what is proved"

    def test_a_completion_of_checked_parts_is_proof(self, field: FieldServer, field_spool: SpoolFolder) -> None:
        field.on(Operation.COMPLETE, lose, at=Moment.ANSWER, times=1)
        field_spool.put("a.mkv", 9 * MIB)
        finished = field_spool.once()
        assert finished.returncode == 0, finished.stderr
        field_spool.check_all_stored()


def lose_journal(spool: SpoolFolder) -> None:
    for part in (spool.root / ".recording-storage").glob("journal.db*"):
        part.unlink()


def checks_parts_only(exchange: Exchange) -> Vouching:
    return NOTHING if exchange.operation is Operation.PUT else CHECKED


class TestLostJournals:
    """Nobody else comes to a key that is derived from the file: what is there is an attempt's."""

    @pytest.fixture
    def unproved(self, field: FieldServer, field_spool: SpoolFolder) -> SpoolFolder:
        """Its one file went with a false value, which was taken; then the uploader was killed, and the journal lost."""
        field.vouching = checks_parts_only
        field_spool.put("a.wav", 3_000)
        killed_at(field_spool, field, Operation.PUT, at=Moment.ANSWER)
        lose_journal(field_spool)
        return field_spool

    def test_what_may_be_unproved_is_replaced(self, field_bucket: FieldBucket, unproved: SpoolFolder) -> None:
        finished = unproved.once()
        assert finished.returncode == 0, finished.stderr
        unproved.check_all_stored()
        assert all(one.parts for one in field_bucket.objects.values())

    def test_also_where_it_is_known_by_then_that_small_files_go_in_parts(
        self, field_bucket: FieldBucket, unproved: SpoolFolder
    ) -> None:
        away = (unproved.root / "a.wav").rename(unproved.root.parent / "a.wav")
        with unproved.running() as running:
            unproved.put("b.wav", 3_000)
            running.uploader.intake.rescan()
            running.await_states({"b.wav": RecordingState.RELEASED})
            away.rename(unproved.root / "a.wav")
            running.uploader.intake.rescan()
            running.await_states({"a.wav": RecordingState.RELEASED})
        unproved.check_all_stored()
        assert all(one.parts for one in field_bucket.objects.values())

    @pytest.mark.parametrize("name", ["a.wav", "a.mkv"])
    def test_what_was_completed_in_proved_parts_is_stored(
        self, field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder, name: str
    ) -> None:
        """Here nothing vouches but ETags, so all go in parts."""
        field.vouching = NOTHING
        field_spool.put(name, SIZES.get(name, 9 * MIB))
        assert field_spool.once(fault="after-complete").returncode < 0
        lose_journal(field_spool)
        finished = field_spool.once()
        assert finished.returncode == 0, finished.stderr
        field_spool.check_all_stored()
        assert field_bucket.storage.overwritten == []


@pytest.mark.parametrize(
    ("action", "times"),
    [
        (corrupt, 1),
        (refuse(400, "BadDigest"), 3),
        (refuse(400, "EntityTooLarge"), 4),
        (refuse(400, "InvalidArgument"), 4),
        (refuse(400), 4),
        (refuse(409, "XVendorLocked"), 4),
    ],
)
def test_what_a_probe_has_met_parks_no_recording(
    field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder, action: Action, times: int
) -> None:
    arena = Arena(field_spool, field_bucket, 3_000, FakeClock())
    field.on(Operation.PART, action, times=times, when=lambda exchange: PROBE_NAME in exchange.key)
    arena.fill(3)
    with field_spool.running(clock=arena.clock) as running:
        arena.pass_until_all_are(RecordingState.RELEASED, running=running)
    field_spool.check_all_stored()


def test_a_proxy_that_strips_the_checksum_is_no_reason_to_trust(
    field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder
) -> None:
    field_bucket.storage.etag_of = any_etag
    field.on(BODIES, strip_request("x-amz-checksum-crc64nvme", "x-amz-checksum-sha256"), at=Moment.HEAD)
    turn_what_is_unchecked(field)
    fill(field_spool)
    assert field_spool.once().returncode != 0
    assert field_spool.media() == sorted(SIZES)
