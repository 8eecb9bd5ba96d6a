"""`recordings:batch`: many recordings in one transaction, idempotent by (account, sid) and ordered by `seq`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from recording_storage.domain.states import AT_DESTINATION
from recording_storage.protocol.base import MalformedError, Uuid
from recording_storage.protocol.recordings import BatchRequest, BatchResponse, BatchResult, RecordingReport
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.engine import mark_changed
from recording_storage.store.database.models import Destination, Recording
from recording_storage.store.internal.batch_rules import refusal
from recording_storage.store.internal.identity import Caller, permitted
from recording_storage.store.internal.metrics import REPORTED
from recording_storage.store.internal.problems import invalid
from recording_storage.store.internal.upsert import insert_into

MAX_ITEMS = 1000
Key = tuple[str, str]
"""Account and recording."""
Item = RecordingReport | BatchResult
"""A recording, or its refusal because it is not well-formed."""

_REPORTED = tuple(name for name in RecordingReport.__struct_fields__ if name not in {"account_sid", "sid"})
"""What follows the newest report."""
_MEASURED = ("sha256", "stored_size")


@dataclass(frozen=True)
class Batch:
    spool_id: str
    items: Sequence[Item]


def read_batch(body: bytes) -> Batch:
    """Read a BatchRequest; an item that is not well-formed is refused alone. Raises ProblemError (422)."""
    try:
        request = BatchRequest.from_json(body)
    except MalformedError as error:
        batch = _item_by_item(body, error)
    else:
        batch = Batch(spool_id=request.spool_id, items=request.recordings)
    try:
        msgspec.convert(batch.spool_id, Uuid)
    except msgspec.ValidationError:
        raise invalid("spool_id: a UUID in lower case is needed") from None
    return batch


def take_batch(store: Store, caller: Caller, batch: Batch) -> BatchResponse:
    """Enter the recordings, all in one transaction; a result for each item, in their order."""
    reports = [item for item in batch.items if isinstance(item, RecordingReport)]
    with store.database.write() as session:
        accounts = permitted(session, caller, {report.account_sid for report in reports})
        mine = [report for report in reports if report.account_sid in accounts]
        refusals = _refusals(session, mine)
        taken = {_key(report): report for report in sorted(_sound(mine, refusals), key=lambda report: report.seq)}
        _enter(session, batch.spool_id, taken)
        rows = _rows(session, taken)
        stored = {key: report for key, report in taken.items() if key in rows and rows[key].spool_id == batch.spool_id}
        _prove(session, stored)
    results = [
        item
        if isinstance(item, BatchResult)
        else _result(item, batch.spool_id, accounts=accounts, refusal=refusals.get(id(item), ""), rows=rows)
        for item in batch.items
    ]
    for result in results:
        REPORTED.labels(status=str(result.status)).inc()
    return BatchResponse(results=results)


@dataclass(frozen=True)
class _Row:
    spool_id: str | None
    seq: int
    deleted: bool


def _item_by_item(body: bytes, error: MalformedError) -> Batch:
    problem = invalid(f"BatchRequest is not well-formed: {error}")
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise problem from None
    items = raw.get("recordings") if isinstance(raw, dict) else None
    spool_id = raw.get("spool_id") if isinstance(raw, dict) else None
    if not isinstance(spool_id, str) or not isinstance(items, list) or len(items) > MAX_ITEMS:
        raise problem
    return Batch(spool_id=spool_id, items=[_item(item, problem) for item in items])


def _item(raw: Any, problem: Exception) -> Item:
    try:
        return RecordingReport.from_values(raw)
    except MalformedError as error:
        try:  # an item without its sids has no place in the answer
            return BatchResult.from_values({"status": 422, "message": str(error)} | _sids(raw))
        except MalformedError:
            raise problem from None


def _sids(raw: Any) -> dict[str, Any]:
    return {name: raw.get(name) for name in ("account_sid", "sid")} if isinstance(raw, dict) else {}


def _refusals(session: Session, reports: Sequence[RecordingReport]) -> dict[int, str]:
    """By the report's identity: two reports of one recording may differ in whether they can be taken."""
    own = [_key(r) for r in reports if r.state in AT_DESTINATION and r.destination_id is None]
    columns = sa.select(Recording.account_sid, Recording.sid)
    with_media = {(account, sid) for account, sid in _selected(session, columns.where(Recording.media_path != ""), own)}
    reasons = {id(report): refusal(report, has_media=with_media) for report in reports}
    return {identity: reason for identity, reason in reasons.items() if reason}


def _sound(reports: Sequence[RecordingReport], refusals: Mapping[int, str]) -> list[RecordingReport]:
    return [report for report in reports if id(report) not in refusals]


def _enter(session: Session, spool_id: str, reports: Mapping[Key, RecordingReport]) -> None:
    """Insert, or update where this is newer. The database decides, so that two calls at once can't undo each other."""
    if not reports:
        return
    insert = insert_into(session, Recording)
    newest = {name: insert.excluded[name] for name in (*_REPORTED, "updated_at") if name in _COLUMNS}
    # What the store has itself measured of media that it holds, it knows better.
    measured = {
        name: sa.case((Recording.media_path != "", getattr(Recording, name)), else_=newest[name]) for name in _MEASURED
    }
    insert = insert.on_conflict_do_update(
        index_elements=[Recording.account_sid, Recording.sid],
        set_=newest | measured,
        where=sa.and_(
            Recording.seq < insert.excluded.seq,
            Recording.spool_id == insert.excluded.spool_id,
            Recording.deleted_at.is_(None),
        ),
    )
    moment = now()
    fixed = {"spool_id": spool_id, "media_path": "", "created_at": moment, "updated_at": moment, "deleted_at": None}
    # In one order always: two batches that overlap would else wait for each other's rows.
    session.execute(insert, [_values(reports[key]) | fixed for key in sorted(reports)])


def _rows(session: Session, keys: Collection[Key]) -> dict[Key, _Row]:
    columns = sa.select(Recording.account_sid, Recording.sid, Recording.spool_id, Recording.seq, Recording.deleted_at)
    return {
        (account, sid): _Row(spool_id=spool_id, seq=seq, deleted=deleted_at is not None)
        for account, sid, spool_id, seq, deleted_at in _selected(session, columns, keys)
    }


def _selected(session: Session, query: sa.Select[*tuple[Any, ...]], keys: Collection[Key]) -> Sequence[Any]:
    if not keys:
        return []
    by_account: dict[str, list[str]] = {}
    for account, sid in keys:
        by_account.setdefault(account, []).append(sid)
    these = sa.or_(
        *(sa.and_(Recording.account_sid == account, Recording.sid.in_(sids)) for account, sids in by_account.items())
    )
    return session.execute(query.where(these)).all()


def _prove(session: Session, reports: Mapping[Key, RecordingReport]) -> None:
    """An object that is stored proves its destination: from now on a refusal there is news, not a wrong setting."""
    proven: dict[str, set[str]] = {}
    for report in reports.values():
        if report.state in AT_DESTINATION and report.destination_id is not None:
            proven.setdefault(report.account_sid, set()).add(report.destination_id)
    for account_sid, ids in proven.items():
        statement = (
            sa.update(Destination)
            .where(Destination.account_sid == account_sid, Destination.id.in_(ids), Destination.proven_at.is_(None))
            .values(proven_at=now())
            .returning(Destination.id)
        )
        if session.execute(statement).all():
            mark_changed(session, account_sid)


def _result(
    report: RecordingReport, spool_id: str, *, accounts: Collection[str], refusal: str, rows: Mapping[Key, _Row]
) -> BatchResult:
    def result(status: int, message: str = "", *, seq: int = 0) -> BatchResult:
        return BatchResult(account_sid=report.account_sid, sid=report.sid, status=status, seq=seq, message=message)

    if report.account_sid not in accounts:
        return result(403, "the account is not bound to the caller's namespace, or not the token's")
    if refusal:
        return result(422, refusal)
    row = rows[_key(report)]
    if row.spool_id != spool_id:
        return result(409, "the sid is a recording of another spool", seq=row.seq)
    if row.deleted:
        return result(200, "deleted by its owner; it stays deleted", seq=max(row.seq, report.seq))
    return result(200, seq=row.seq)


def _key(report: RecordingReport) -> Key:
    return report.account_sid, report.sid


def _values(report: RecordingReport) -> dict[str, Any]:
    values = {
        name: msgspec.to_builtins(getattr(report, name), builtin_types=(datetime,))
        for name in report.__struct_fields__
        if name in _COLUMNS
    }
    if not report.type:
        values["type"] = _main_type(report.content_type)
    if report.destination_id is None:
        values["media_url"] = ""  # the column is for locations outside of this store
    return values


def _main_type(content_type: str) -> str:
    """audio, video or data, which lists can be narrowed to; what is neither sound nor picture is data."""
    main = content_type.partition("/")[0].lower()
    return main if main in {"audio", "video"} else "data"


_COLUMNS = frozenset(column.name for column in Recording.__table__.columns)
