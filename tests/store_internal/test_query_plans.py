"""However many recordings an account has, nothing walks through all of them: each query has its index."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa

from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.accounts import NewCommand
from recording_storage.protocol.sync import CommandKind
from recording_storage.store.context import Store
from recording_storage.store.internal.batch import read_batch, take_batch
from recording_storage.store.internal.commands import add_command
from recording_storage.store.internal.identity import Caller
from recording_storage.store.internal.plans import draft_plans
from recording_storage.store.internal.problems import ProblemError
from recording_storage.store.pages import PageRequest, Place
from recording_storage.store.services.accounts import NewAccount
from recording_storage.store.services.credentials import delete_credential
from recording_storage.store.services.recording_status import VideoStatus
from recording_storage.store.services.recordings import Filters, delete_recording, list_recordings
from tests.store_internal.messages import MOMENT, batch, enable, new_credential, new_spool, recording

SPOOL = new_spool()
VOICE, VIDEO = Product.VOICE, Product.VIDEO
PLACE, BACK = (PageRequest(place=Place(MOMENT, "RT0", back=back)) for back in (False, True))
FIRST = PageRequest()
TABLES = ("recordings", "spools", "commands", "destinations")


class Plans:
    """The databases' plans of whatever is asked while it listens."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: list[tuple[str, Any]] = []
        sa.event.listen(store.database.engine, "before_cursor_execute", self._note)

    def _note(self, _c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:  # noqa: FBT001
        if not many and re.match(r"SELECT|UPDATE|DELETE", statement):
            self._asked.append((statement, parameters))

    def of(self, action: Callable[[], object]) -> str:
        self._asked.clear()
        action()
        asked = list(self._asked)
        assert asked
        return "\n".join(self._plan(*each) for each in asked if any(table in each[0] for table in TABLES))

    def _plan(self, statement: str, parameters: Any) -> str:
        with self._store.database.engine.connect() as connection:
            if self._store.database.is_sqlite:
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                return "\n".join(row[3] for row in rows)
            # With the few rows of a test it would rather read them all; whether it could do without is what is asked.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))


@pytest.fixture
def plans(store: Store) -> Plans:
    return Plans(store)


def turn_round(store: Store) -> None:
    """Make the indexes anew in the opposite order: of two that serve alike SQLite takes the one that was made last."""
    if not store.database.is_sqlite:
        return
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid DESC"
    with store.database.engine.begin() as connection:
        for name, made in connection.exec_driver_sql(query).all():
            connection.exec_driver_sql(f"DROP INDEX {name}")
            connection.exec_driver_sql(made)


def lists(plan: str, *indexes: str) -> None:
    """Each of these is used, and no table is walked through."""
    assert not re.search(r"SCAN (recordings|spools|commands|destinations)|Seq Scan", plan), plan
    for index in indexes:
        assert index in plan, plan


@pytest.mark.parametrize(
    ("product", "filters", "page", "index"),
    [
        (VIDEO, Filters(), FIRST, "recordings_by_time"),
        (VOICE, Filters(), PLACE, "recordings_by_time"),
        (VIDEO, Filters(), BACK, "recordings_by_time"),
        (VIDEO, Filters(created_from=MOMENT, created_before=MOMENT), FIRST, "recordings_by_time"),
        (VIDEO, Filters(status=VideoStatus.COMPLETED), FIRST, "recordings_by_time"),
        (VIDEO, Filters(status=VideoStatus.PROCESSING), FIRST, "recordings_incomplete"),
        (VIDEO, Filters(status=VideoStatus.FAILED), PLACE, "recordings_incomplete"),
        (VIDEO, Filters(status=VideoStatus.DELETED), BACK, "recordings_incomplete"),
        (VIDEO, Filters(source_sid="MT1"), PLACE, "recordings_by_source_sid"),
        (VIDEO, Filters(room_sid="RM1"), FIRST, "recordings_by_room_sid"),
        (VIDEO, Filters(grouping_sids=("RM1",)), PLACE, "recordings_by_participant_sid"),
        (VIDEO, Filters(grouping_sids=("RM1", "PA1")), FIRST, "recordings_by_room_sid"),
        (VIDEO, Filters(media_type="data"), FIRST, "recordings_by_type"),
        (VOICE, Filters(call_sid="CA1"), FIRST, "recordings_by_call_sid"),
        (VOICE, Filters(conference_sid="CF1", created_until=MOMENT), PLACE, "recordings_by_conference_sid"),
    ],
)
def test_a_page_of_a_list(
    *,
    store: Store,
    account: NewAccount,
    plans: Plans,
    product: Product,
    filters: Filters,
    page: PageRequest,
    index: str,
) -> None:
    plan = plans.of(
        lambda: list_recordings(store, account_sid=account.sid, product=product, filters=filters, request=page)
    )
    # On PostgreSQL an empty table's plan says which indexes could be used, not which will be.
    lists(plan, *([index] if store.database.is_sqlite else []))
    if store.database.is_sqlite and not filters.grouping_sids:
        assert "TEMP B-TREE" not in plan, "a page is read in the index's order, not sorted"


def test_an_exchange(store: Store, account: NewAccount, plans: Plans) -> None:
    enable(store, account.sid, credential_sid=new_credential(store, account.sid))

    def draft() -> None:
        with store.database.read() as session:
            draft_plans(session, [account.sid], spool_id=SPOOL, named={})

    lists(plans.of(draft), "recordings_unfinished")


def test_a_batch(store: Store, account: NewAccount, plans: Plans) -> None:
    reports = [recording(account.sid, state=RecordingState.STORED) for _ in range(1000)]
    caller = Caller(account_sid=account.sid)
    lists(plans.of(lambda: take_batch(store, caller, read_batch(batch(SPOOL, *reports)))))


def test_a_command(store: Store, account: NewAccount, plans: Plans) -> None:
    report = recording(account.sid)
    take_batch(store, Caller(account_sid=account.sid), read_batch(batch(SPOOL, report)))
    wanted = NewCommand(kind=CommandKind.RETRY_ONE, recording_sid=report.sid)

    def command() -> None:
        with store.database.write() as session, suppress(ProblemError):  # no spool has reported
            add_command(session, account_sid=account.sid, wanted=wanted)

    lists(plans.of(command), "ix_spools_account_sid")


def test_deletions(store: Store, account: NewAccount, plans: Plans) -> None:
    turn_round(store)
    sid = new_credential(store, account.sid)
    enable(store, account.sid, credential_sid=sid, bucket="a")
    enable(store, account.sid, credential_sid=new_credential(store, account.sid), bucket="b")
    lists(plans.of(lambda: delete_credential(store, account_sid=account.sid, sid=sid)), "recordings_unfinished")
    report = recording(account.sid)
    take_batch(store, Caller(account_sid=account.sid), read_batch(batch(SPOOL, report)))
    lists(plans.of(lambda: delete_recording(store, account_sid=account.sid, product=VOICE, sid=report.sid)))
