"""Key rotation: sealing what is stored with the newest master key."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recording_storage.store.context import Store
from recording_storage.store.database.models import Account
from recording_storage.store.database.sealed import SEALED, Sealed
from recording_storage.store.secrets_box import SecretsBox

_BATCH = 200


def reseal(store: Store) -> int:
    """Seal every secret with the first key; gives how many were not. Interrupted, it goes on where it was."""
    count = 0
    for sealed in SEALED:
        last = ""
        while True:
            with store.database.write() as session:
                sids = _batch(session, sealed, after=last)
                count += sum(_reseal_row(session, store.box, sealed, sid) for sid in sids)
            if not sids:
                break
            last = sids[-1]
    return count


def _batch(session: Session, sealed: Sealed, *, after: str) -> list[str]:
    sid: sa.ColumnElement[str] = sealed.model.__table__.c.sid
    query = sa.select(sid).where(sid > after, sealed.boxes.is_not(None)).order_by(sid).limit(_BATCH)
    return list(session.scalars(query))


def _reseal_row(session: Session, box: SecretsBox, sealed: Sealed, sid: str) -> int:
    row: Any = session.get(sealed.model, sid, with_for_update=True)
    present: bytes | None = getattr(row, sealed.column, None)
    if present is None or box.is_current(present):
        return 0
    account_sid = sid if sealed.model is Account else row.account_sid
    secret = box.open(present, table=sealed.table, account_sid=account_sid, sid=sid)
    setattr(row, sealed.column, box.seal(secret, table=sealed.table, account_sid=account_sid, sid=sid))
    return 1
