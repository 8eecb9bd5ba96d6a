"""What a destination vouches by is learnt anew daily, and when an answer is not as it was, while the uploader runs."""

import secrets
from collections.abc import Iterator

import pytest

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.transfer.checksum_trust import AGAIN, DAY
from tests.field.actions import corrupt, refuse, strip_answer
from tests.field.arena import Arena
from tests.field.exchange import BODIES, Exchange, Moment, Operation
from tests.field.integrity import Check, Vouching, everything
from tests.field.server import FieldBucket, FieldServer
from tests.uploader.spools import MIB, FakeClock, Running, SpoolFolder

S = RecordingState
SIZES = {"single": 3_000, "multipart": 9 * MIB}
NAMED = ("x-amz-checksum-crc64nvme", "x-amz-checksum-sha256")


def is_lesson(exchange: Exchange) -> bool:
    return "-learn-" in exchange.key


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> int:
    return SIZES[request.param]


@pytest.fixture
def arena(field_bucket: FieldBucket, field_spool: SpoolFolder, size: int) -> Arena:
    """Here any ETag may come, so it is no proof of anything."""
    field_bucket.storage.etag_of = lambda _body: secrets.token_hex(16)
    return Arena(field_spool, field_bucket, size, FakeClock())


@pytest.fixture
def running(arena: Arena) -> Iterator[Running]:
    """It has stored two: what it knows by then is of single requests, too."""
    with arena.spool.running(clock=arena.clock) as started:
        for name in ("first", "second"):
            stored(arena, started, name)
        yield started


def put(arena: Arena, running: Running, name: str) -> None:
    arena.spool.put(name, arena.size)
    running.uploader.intake.rescan()


def stored(arena: Arena, running: Running, name: str) -> None:
    """Put it, and wait until it is."""
    put(arena, running, name)
    arena.pass_until({name: S.RELEASED}, running=running, unless=[S.PARKED])


def held(arena: Arena, running: Running, name: str) -> None:
    """Put it, and wait until it is because nothing vouches for it; then mend the server."""
    put(arena, running, name)
    found = arena.pass_until({name: S.HELD}, running=running, unless=[S.PARKED, S.RELEASED])
    assert found[name].error.code == "Unverified"
    assert arena.spool.media() == [name]
    arena.bucket.server.mend()
    arena.bucket.server.vouching = everything()
    arena.pass_until({name: S.RELEASED}, running=running)
    arena.spool.check_all_stored()


def lessons(field: FieldServer) -> int:
    """That were begun; one for the bodies of that length, and one more for large ones' parts at the start."""
    return len({one.key for one in field.seen(Operation.BEGIN) if is_lesson(one)})


def vouches_by(running: Running) -> str:
    (destination,) = running.uploader.view.status().destinations
    return destination.vouches_by


class TestDaily:
    def test_it_is_asked_once_a_day(self, field: FieldServer, arena: Arena, running: Running) -> None:
        before = lessons(field)
        arena.clock.advance(DAY / 2)
        stored(arena, running, "same-day")
        assert lessons(field) == before
        arena.clock.advance(DAY / 2)
        for name in ("next-day", "next-day-again"):
            stored(arena, running, name)
        assert lessons(field) == 2 * before

    def test_what_it_vouches_by_now_counts(self, field: FieldServer, arena: Arena, running: Running) -> None:
        assert vouches_by(running) == "CRC64NVME"
        field.vouching = Vouching(md5=Check.CHECK)
        arena.clock.advance(DAY)
        stored(arena, running, "next-day")
        assert vouches_by(running) == "Content-MD5"
        arena.spool.check_all_stored()

    def test_where_nothing_does_any_more_nothing_is_stored(
        self, field: FieldServer, arena: Arena, running: Running
    ) -> None:
        field.vouching = everything(Check.ECHO)
        arena.clock.advance(DAY)
        held(arena, running, "next-day")

    def test_what_was_known_counts_until_it_can_be_asked(
        self, field: FieldServer, arena: Arena, running: Running
    ) -> None:
        before = lessons(field)
        trouble = field.on(Operation.BEGIN, refuse(500, "InternalError"), when=is_lesson)
        arena.clock.advance(DAY)
        stored(arena, running, "next-day")
        assert trouble.acted
        field.mend(trouble)
        asked = lessons(field)
        stored(arena, running, "soon-after")
        assert lessons(field) == asked, "it is not asked for each recording"
        arena.clock.advance(AGAIN)
        stored(arena, running, "later")
        assert lessons(field) == asked + before
        arena.spool.check_all_stored()


class TestContradicted:
    """An answer names no checksum any more, where all have named it."""

    def test_the_recording_is_stored_by_what_is_learnt_then(
        self, field: FieldServer, arena: Arena, running: Running
    ) -> None:
        """Something on the way takes the header off; the server compares as before."""
        before = lessons(field)
        field.on(BODIES, strip_answer(*NAMED), at=Moment.ANSWER)
        stored(arena, running, "late")
        assert lessons(field) > before
        stored(arena, running, "later")
        arena.spool.check_all_stored()
        assert vouches_by(running) == "CRC64NVME"

    @pytest.mark.parametrize("vouching", [Vouching(), everything(Check.ECHO)])
    def test_another_server_that_compares_nothing_stores_nothing(
        self, field: FieldServer, arena: Arena, running: Running, vouching: Vouching
    ) -> None:
        field.vouching = vouching
        field.on(BODIES, corrupt)
        field.on(BODIES, strip_answer(*NAMED), at=Moment.ANSWER)
        held(arena, running, "late")
