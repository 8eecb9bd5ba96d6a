"""Commands to uploaders: one row for each spool, delivered until acknowledged."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recording_storage.protocol.accounts import CommandStatus, NewCommand
from recording_storage.protocol.sync import Command as CommandMessage
from recording_storage.protocol.sync import CommandKind
from recording_storage.store.clock import now
from recording_storage.store.database.engine import mark_changed
from recording_storage.store.database.models import Command, Recording, Spool
from recording_storage.store.internal.problems import ProblemError, invalid, not_found

MAX_AT_ONCE = 500
"""More wait for the next exchange, which follows at once."""
KEPT = timedelta(days=7)
"""How long an acknowledged command can still be asked about."""


def add_command(session: Session, *, account_sid: str, wanted: NewCommand) -> CommandStatus:
    """Enter a command for the spools that it is for, and wake them. Raises ProblemError."""
    if (wanted.kind is CommandKind.RETRY_ONE) != (wanted.recording_sid is not None):
        raise invalid("recording_sid goes with retry_one, and retry_one needs it")
    if wanted.id is not None and _is_known(session, wanted.id):
        return command_status(session, account_sid=account_sid, id_=wanted.id)
    spools = _spools(session, account_sid=account_sid, wanted=wanted)
    id_, moment = wanted.id or str(uuid.uuid4()), now()
    session.add_all(
        Command(
            id=id_,
            spool_id=spool_id,
            account_sid=account_sid,
            kind=wanted.kind,
            recording_sid=wanted.recording_sid,
            created_at=moment,
            acknowledged_at=None,
        )
        for spool_id in spools
    )
    session.execute(
        sa.delete(Command).where(Command.account_sid == account_sid, Command.acknowledged_at < moment - KEPT)
    )
    mark_changed(session, account_sid)
    return CommandStatus(id=id_, kind=wanted.kind, created_at=moment, pending_spools=spools)


def _is_known(session: Session, id_: str) -> bool:
    return session.scalars(sa.select(Command.id).where(Command.id == id_).limit(1)).first() is not None


def command_status(session: Session, *, account_sid: str, id_: str) -> CommandStatus:
    """How far a command has come. Raises ProblemError (404)."""
    query = sa.select(Command).where(Command.id == id_, Command.account_sid == account_sid).order_by(Command.spool_id)
    rows = session.scalars(query).all()
    if not rows:
        raise not_found("the account has no such command (one that all spools acknowledged is kept for a week)")
    return CommandStatus(
        id=id_,
        kind=CommandKind(rows[0].kind),
        created_at=rows[0].created_at,
        pending_spools=[row.spool_id for row in rows if row.acknowledged_at is None],
        acknowledged_spools=[row.spool_id for row in rows if row.acknowledged_at is not None],
        retried={row.spool_id: row.retried for row in rows if row.retried is not None},
    )


def acknowledge(
    session: Session, *, spool_id: str, accounts: Collection[str], ids: Sequence[str], retried: Mapping[str, int]
) -> None:
    """Note that the spool has journalled them; again, or of others: nothing happens."""
    if not ids:
        return
    query = sa.select(Command).where(
        Command.spool_id == spool_id,
        Command.account_sid.in_(list(accounts)),
        Command.id.in_(list(ids)),
        Command.acknowledged_at.is_(None),
    )
    for row in session.scalars(query):
        row.acknowledged_at, row.retried = now(), retried.get(row.id)


def waiting_commands(session: Session, *, spool_id: str, accounts: Collection[str]) -> list[CommandMessage]:
    """What the spool has not acknowledged, oldest first."""
    query = (
        sa.select(Command)
        .where(
            Command.spool_id == spool_id,
            Command.account_sid.in_(list(accounts)),
            Command.acknowledged_at.is_(None),
        )
        .order_by(Command.created_at, Command.id)
        .limit(MAX_AT_ONCE)
    )
    return [
        CommandMessage(
            id=row.id, kind=CommandKind(row.kind), account_sid=row.account_sid, recording_sid=row.recording_sid
        )
        for row in session.scalars(query)
    ]


def _spools(session: Session, *, account_sid: str, wanted: NewCommand) -> list[str]:
    reported = list(session.scalars(sa.select(Spool.id).where(Spool.account_sid == account_sid).order_by(Spool.id)))
    if wanted.spool_id is not None:
        if wanted.spool_id not in reported:
            raise not_found("that spool has never reported for the account")
        return [wanted.spool_id]
    if wanted.recording_sid is not None:
        recording = session.get(Recording, (account_sid, wanted.recording_sid))
        if recording is not None and recording.spool_id in reported:
            return [recording.spool_id]
    if not reported:
        raise ProblemError(409, "no_uploader", "no uploader has reported for the account yet")
    return reported
