"""Where spools are, as their uploaders say, and whose they are, as the operator says."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recording_storage.protocol.spools import AssignSpool, SpoolInfo, Spools, SpoolStanding
from recording_storage.protocol.sync import SpoolPlace as PlaceMessage
from recording_storage.protocol.sync import SpoolReport, SyncRequest
from recording_storage.store.clock import now
from recording_storage.store.database.engine import mark_changed
from recording_storage.store.database.models import (
    Account,
    Binding,
    Command,
    Counter,
    Spool,
    SpoolAssignment,
    SpoolPlace,
)
from recording_storage.store.internal.identity import Caller
from recording_storage.store.internal.problems import ProblemError, conflict, not_found
from recording_storage.store.internal.settings_owner import LIVE, report_of
from recording_storage.store.internal.upsert import insert_into

MAX_PLACES = 10_000
"""Of a namespace: whoever may run pods there could name new ones without end."""
KEPT = timedelta(days=7)
"""How long one is remembered that is not assigned and not heard of any more."""
_COUNTER = "spools"
_PLACE = ("namespace_uid", "claim", "sub_path")
_SAID = ("namespace", "pod", "pod_uid", "volume", "account", "last_seen", "digest")


def assigned(session: Session, caller: Caller, *, spool_id: str, place: PlaceMessage) -> list[str]:
    """Accounts of the spool, if it is assigned to the place; the first is that of recordings that name none."""
    row = session.get(SpoolAssignment, spool_id)
    here = (caller.namespace_uid, place.claim, place.sub_path)
    return list(row.account_sids) if row is not None and here == _place_of(row) else []


def require_same_namespace(session: Session, caller: Caller, *, spool_id: str) -> None:
    """Raise ProblemError (409) for a spool that was found in another namespace before; whose it is stays unsaid."""
    others = (
        sa.select(SpoolPlace.id).where(SpoolPlace.id == spool_id, SpoolPlace.namespace_uid != caller.namespace_uid),
        sa.select(Spool.id).where(Spool.id == spool_id, Spool.namespace_uid.not_in(["", caller.namespace_uid])),
    )
    if session.execute(sa.union_all(*others).limit(1)).first() is not None:
        raise conflict(
            "a spool of this id belongs to another namespace, and stays there. If the volume is a copy of that one's, "
            "remove .recording-storage from the copy; if it was moved, delete the other one's RecordingSpool"
        )


def note_place(session: Session, caller: Caller, *, spool_id: str, sync: SyncRequest) -> None:
    """Keep where the spool is and how it stands. Raises ProblemError (409)."""
    place, moment = sync.place, now()
    assert place is not None
    key = (spool_id, caller.namespace_uid, place.claim, place.sub_path)
    said = {"namespace": caller.namespace, "pod": caller.pod, "pod_uid": caller.pod_uid}
    said |= {"volume": place.volume, "account": place.account}
    content = json.dumps([said, sync.report.to_values()], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    known = session.scalars(_digest_of(key)).one_or_none()
    if known is None:
        _require_room(session, caller.namespace_uid)
    row = dict(zip(("id", *_PLACE), key, strict=True))
    changed = {"revision": _next_revision(session)} if digest != known else {}
    insert = insert_into(session, SpoolPlace).values(
        **row, **said, first_seen=moment, last_seen=moment, digest=digest, **{"revision": 0, **changed}
    )
    columns = [SpoolPlace.id, SpoolPlace.namespace_uid, SpoolPlace.claim, SpoolPlace.sub_path]
    newer = {name: insert.excluded[name] for name in (*_SAID, *changed)}
    session.execute(insert.on_conflict_do_update(index_elements=columns, set_=newer))


def assign(session: Session, spool_id: str, *, wanted: AssignSpool) -> SpoolInfo:
    """Say whose a spool is, and wake its uploader. Raises ProblemError (403, 404, 409)."""
    here = (wanted.namespace_uid, wanted.claim, wanted.sub_path)
    values = {"account_sids": list(wanted.account_sids), "label": wanted.label}
    row = session.get(SpoolAssignment, spool_id)
    if row is None or _place_of(row) != here or any(getattr(row, name) != value for name, value in values.items()):
        revision = _next_revision(session)  # first of all, as everywhere: other orders would deadlock
        _require_assignable(session, spool_id, here=here, account_sids=wanted.account_sids)
        insert = insert_into(session, SpoolAssignment).values(
            id=spool_id, **dict(zip(_PLACE, here, strict=True)), **values, changed_at=now()
        )
        newer = {name: insert.excluded[name] for name in (*values, "changed_at")}
        session.execute(insert.on_conflict_do_update(index_elements=[SpoolAssignment.id], set_=newer))
        session.execute(sa.update(SpoolPlace).where(SpoolPlace.id == spool_id).values(revision=revision))
        session.expire_all()
        mark_changed(session, spool_id)
    return next(
        each for each in list_spools(session, spool_id=spool_id).spools if each.standing is SpoolStanding.ASSIGNED
    )


def _require_assignable(
    session: Session, spool_id: str, *, here: tuple[str, str, str], account_sids: Sequence[str]
) -> None:
    row = session.get(SpoolAssignment, spool_id, populate_existing=True)
    if row is not None and _place_of(row) != here:
        raise conflict(f"the spool is assigned to another place, by {row.label or 'somebody else'}: one is a copy")
    places = session.scalars(sa.select(SpoolPlace).where(SpoolPlace.id == spool_id)).all()
    if any(each.namespace_uid != here[0] for each in places):
        raise conflict("the spool was found in another namespace, and stays there")
    if not any(_place_of(each) == here for each in places):
        raise not_found("no uploader has found the spool there")
    bound = sa.select(Account.sid).join(Binding, Binding.account_sid == Account.sid)
    bound = bound.where(Account.sid.in_(account_sids), Account.status == "active", Binding.namespace_uid == here[0])
    if set(session.scalars(bound)) != set(account_sids):
        raise ProblemError(403, "not_bound", "an account that is to be assigned is not bound to the namespace")


def remove(session: Session, spool_id: str) -> None:
    """Forget the spool, but for its recordings; an uploader that is still there is found anew, and unassigned."""
    _next_revision(session)
    for model in (SpoolAssignment, SpoolPlace, Spool):
        session.execute(sa.delete(model).where(model.id == spool_id))
    session.execute(sa.delete(Command).where(Command.spool_id == spool_id, Command.acknowledged_at.is_(None)))
    mark_changed(session, spool_id)


def list_spools(session: Session, *, since: int = 0, spool_id: str | None = None) -> Spools:
    """Those that have changed since a revision; or one, at each of its places."""
    revision = session.scalars(sa.select(Counter.value).where(Counter.name == _COUNTER)).one()
    query = (
        sa.select(SpoolPlace, SpoolAssignment)
        .outerjoin(SpoolAssignment, SpoolAssignment.id == SpoolPlace.id)
        .where(SpoolPlace.revision > since)
        .order_by(SpoolPlace.revision, SpoolPlace.id, SpoolPlace.claim, SpoolPlace.sub_path)
    )
    if spool_id is not None:
        query = query.where(SpoolPlace.id == spool_id)
    found = [(place, row) for place, row in session.execute(query)]
    owners = {(place.id, row.account_sids[0]) for place, row in found if row is not None}
    rows = session.scalars(sa.select(Spool).where(Spool.id.in_({id_ for id_, _ in owners}))) if owners else ()
    reports = {row.id: report_of(row) for row in rows if (row.id, row.account_sid) in owners}
    moment = now()
    return Spools(
        revision=revision,
        server_time=moment,
        spools=[_info(place, row, report=reports.get(place.id), moment=moment) for place, row in found],
    )


def _info(place: SpoolPlace, row: SpoolAssignment | None, *, report: SpoolReport | None, moment: datetime) -> SpoolInfo:
    here = row is not None and _place_of(row) == _place_of(place)
    standing = SpoolStanding.UNASSIGNED if row is None else SpoolStanding.ELSEWHERE
    return SpoolInfo(
        spool_id=place.id,
        namespace_uid=place.namespace_uid,
        namespace=place.namespace,
        pod=place.pod,
        pod_uid=place.pod_uid,
        place=PlaceMessage(claim=place.claim, sub_path=place.sub_path, volume=place.volume, account=place.account),
        standing=SpoolStanding.ASSIGNED if here else standing,
        account_sids=list(row.account_sids) if row is not None and here else [],
        label=row.label if row is not None and here else "",
        first_seen=place.first_seen,
        last_seen=place.last_seen,
        live=moment - place.last_seen < LIVE,
        report=report if here else None,
    )


def _place_of(row: SpoolAssignment | SpoolPlace) -> tuple[str, str, str]:
    return row.namespace_uid, row.claim, row.sub_path


def _digest_of(key: tuple[str, str, str, str]) -> "sa.Select[str]":
    columns = (SpoolPlace.id, SpoolPlace.namespace_uid, SpoolPlace.claim, SpoolPlace.sub_path)
    return sa.select(SpoolPlace.digest).where(*(column == value for column, value in zip(columns, key, strict=True)))


def _require_room(session: Session, namespace_uid: str) -> None:
    """Make some, and raise ProblemError (409) for one place more than a namespace may have."""
    old = sa.select(SpoolAssignment.id).where(SpoolAssignment.id == SpoolPlace.id).exists()
    session.execute(
        sa.delete(SpoolPlace).where(
            SpoolPlace.namespace_uid == namespace_uid, SpoolPlace.last_seen < now() - KEPT, ~old
        )
    )
    of_namespace = sa.select(sa.func.count()).where(SpoolPlace.namespace_uid == namespace_uid)
    if session.execute(of_namespace).scalar_one() >= MAX_PLACES:
        raise conflict(
            f"the namespace has {MAX_PLACES} spools already; a spool keeps its id on its volume, is that lost?"
        )


def _next_revision(session: Session) -> int:
    taken = sa.update(Counter).where(Counter.name == _COUNTER).values(value=Counter.value + 1).returning(Counter.value)
    return session.scalars(taken).one()
