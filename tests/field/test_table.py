"""Whatever a server does: what the table says holds, in one request or in parts, alone or with a store."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from recording_storage.domain.states import RecordingState
from recording_storage.s3.probe import PROBE_NAME
from tests.field.arena import LARGE, SMALL, Arena, LinkedSpool
from tests.field.exchange import Operation, Rule
from tests.field.server import FieldServer
from tests.field.table import (
    arrived,
    blamed,
    blanks,
    denial,
    early,
    headers,
    lists,
    network,
    parts,
    refusals,
    understood,
)
from tests.field.table.row import Holds, Row, Way
from tests.uploader.spools import FakeClock, SpoolFolder
from tests.uploader.store_link.fake_store import FakeStore

S = RecordingState
KINDS = (arrived, blamed, blanks, denial, early, headers, lists, network, parts, refusals, understood)
TABLE = tuple(row for kind in KINDS for row in kind.ROWS)
COUNT = {Way.SINGLE: 3, Way.MULTIPART: 1}
PARTS = 3
UNDER_WAY = {S.FOUND, S.UPLOADING, S.WAITING, S.HELD, S.REJECTED}
IN_TROUBLE = 3000.0
"""Seconds that a server stays as it is: longer than any grace, shorter than any retry window."""


@pytest.fixture(params=["alone", pytest.param("with a store", marks=pytest.mark.slow)])
def arena(request: pytest.FixtureRequest, field: FieldServer, tmp_path: Path, row: Row, way: Way) -> Iterator[Arena]:
    bucket = field.bucket()
    store = FakeStore() if request.param == "with a store" else None
    spool: SpoolFolder
    if store is None:
        spool = SpoolFolder(tmp_path / "spool", bucket)
        spool.write_config(policy=json.dumps(row.policy and {"fatalErrorPolicy": row.policy["fatal_error_policy"]}))
    else:
        spool = LinkedSpool(tmp_path / "spool", bucket, store=store)
        spool.apply(**row.policy)
    yield Arena(spool, bucket, row.size or (SMALL if way is Way.SINGLE else LARGE), FakeClock())
    if store is not None:
        store.close()


def cases(holds: Holds) -> pytest.MarkDecorator:
    found = [(row, way) for row in TABLE if row.holds is holds for way in row.ways]
    return pytest.mark.parametrize(("row", "way"), found, ids=[f"{row}-{way}" for row, way in found])


@cases(Holds.COMES_BACK)
def test_nothing_is_given_up_and_all_is_stored_when_the_server_is_mended(
    arena: Arena, field: FieldServer, row: Row, way: Way
) -> None:
    row.odd(field, arena.bucket.storage)
    arena.fill(COUNT[way])
    with arena.spool.running(clock=arena.clock) as running:
        found = arena.let_pass(IN_TROUBLE, running=running)
        assert {one.state for one in found.values()} <= UNDER_WAY, found
        assert arena.bucket.keys() == []
        arena.check_nothing_lost(found)
        field.mend()
        arena.check_nothing_lost(arena.pass_until_all_are(S.RELEASED, running=running))
    arena.spool.check_all_stored()


@cases(Holds.STORED)
def test_all_is_stored_whole_and_once_and_nobody_is_needed(
    arena: Arena, field: FieldServer, row: Row, way: Way
) -> None:
    """The first one alone: by then it is known whether small ones may go in a single request."""
    rule = row.odd(field, arena.bucket.storage)
    with arena.spool.running(clock=arena.clock) as running:
        for count in (1, COUNT[way] - 1):
            arena.fill(count)
            running.uploader.intake.rescan()
            arena.check_nothing_lost(arena.pass_until_all_are(S.RELEASED, running=running))
    arena.spool.check_all_stored()
    if isinstance(rule, Rule):
        assert rule.acted
    if row.sent_once:
        seen = field.seen(Operation.PUT, Operation.PART, status=200)
        sent = [one for one in seen if PROBE_NAME not in one.key]
        assert len(sent) == COUNT[way] * (1 if way is Way.SINGLE else PARTS)


@cases(Holds.PARKED)
def test_what_is_refused_alone_is_parked_and_stored_once_somebody_has_mended_it(
    arena: Arena, field: FieldServer, row: Row, way: Way
) -> None:
    arena.fill(1)
    with arena.spool.running(clock=arena.clock) as running:
        before = list(arena.pass_until_all_are(S.RELEASED, running=running))
        rule = row.odd(field, arena.bucket.storage)
        arena.fill(COUNT[way])
        running.uploader.intake.rescan()
        parked = [name for name in arena.names if name not in before]
        found = arena.pass_until(dict.fromkeys(parked, S.PARKED), running=running)
        assert {found[name].error.code for name in parked} == {row.code}
        arena.check_nothing_lost(found)
        field.mend(rule)
        running.uploader.view.retry(None)
        arena.pass_until_all_are(S.RELEASED, running=running)
    arena.spool.check_all_stored()
