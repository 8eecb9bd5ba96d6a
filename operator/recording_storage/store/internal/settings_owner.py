"""Who manages an account's settings, the credentials that they use, and the uploaders that follow them."""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.orm import Session

from recording_storage.domain.policy import OwnStorage
from recording_storage.domain.settings import RecordingSettings
from recording_storage.domain.states import Product
from recording_storage.protocol.accounts import ClaimSettings, SettingsOwner, SettingsState, UploaderInfo
from recording_storage.protocol.base import MalformedError
from recording_storage.protocol.sync import SpoolReport
from recording_storage.store.clock import now
from recording_storage.store.database.models import AwsCredential, Settings, Spool
from recording_storage.store.internal.accounts import require_account
from recording_storage.store.internal.problems import conflict, invalid, not_found
from recording_storage.store.internal.upsert import insert_into
from recording_storage.store.services.accounts import bump_revision, lock_account
from recording_storage.store.services.destinations import replace_credential

LIVE = timedelta(seconds=90)
"""An uploader asks again at least every minute; this long after the last time it counts as gone."""
MAX_OWNER = 255


def settings_state(session: Session, account_sid: str, product: Product) -> SettingsState:
    account = require_account(session, account_sid)
    row = session.get(Settings, (account_sid, product))
    if row is None:
        return SettingsState(product=product, revision=0, own_storage=OwnStorage(account.own_storage))
    return SettingsState(
        product=product,
        own_storage=row.own_storage_of(account.own_storage),
        revision=row.revision,
        owner=row.owner,
        label=row.owner_label,
        destination_id=row.destination_id,
        verified_at=row.verified_at,
    )


def claim_settings(session: Session, account_sid: str, product: Product, *, wanted: ClaimSettings) -> SettingsOwner:
    """Become their owner if they have none, in one statement. Raises ProblemError (409), which names the owner."""
    require_account(session, account_sid)
    if not wanted.owner or len(wanted.owner) > MAX_OWNER or "\x00" in wanted.owner + wanted.label:
        raise invalid(f"owner: 1 to {MAX_OWNER} characters are needed")
    label = wanted.label[:MAX_OWNER]
    insert = _first(session, account_sid, product, owner=wanted.owner, owner_label=label)
    claimed = session.execute(
        insert.on_conflict_do_update(
            index_elements=[Settings.account_sid, Settings.product],
            set_={"owner": insert.excluded.owner, "owner_label": insert.excluded.owner_label},
            where=Settings.owner.in_(["", wanted.owner]),
        ).returning(Settings.owner)
    ).all()
    if not claimed:
        raise _owned(session, account_sid, product)
    return SettingsOwner(product=product, owner=wanted.owner, label=label)


def release_settings(session: Session, account_sid: str, product: Product, *, owner: str | None) -> None:
    """Let go of them, if `owner` (None: whoever) has them. Raises ProblemError (409)."""
    require_account(session, account_sid)
    row = session.get(Settings, (account_sid, product), with_for_update=True)
    if row is None or not row.owner:
        return
    if owner is not None and row.owner != owner:
        raise _owned(session, account_sid, product)
    row.owner = row.owner_label = ""


def set_own_storage(session: Session, account_sid: str, product: Product, own_storage: OwnStorage) -> None:
    """Say whether the store may keep the product's recordings while external storage is off."""
    account = require_account(session, account_sid)
    lock_account(session, account_sid)
    row = session.get(Settings, (account_sid, product))
    before = row.own_storage_of(account.own_storage) if row is not None else account.own_storage
    insert = _first(session, account_sid, product, own_storage=own_storage)
    columns = [Settings.account_sid, Settings.product]
    session.execute(insert.on_conflict_do_update(index_elements=columns, set_={"own_storage": own_storage}))
    if before != own_storage:
        bump_revision(session, account_sid)


def _first(session: Session, account_sid: str, product: Product, **values: str) -> Insert:
    """Before the first POST there is no row yet; revision 0 says that its values mean nothing."""
    return insert_into(session, Settings).values(
        account_sid=account_sid,
        product=product,
        revision=0,
        values=RecordingSettings().to_values(),
        destination_id=None,
        verified_at=None,
        updated_at=now(),
        **{"owner": "", "owner_label": "", **values},
    )


def replace_everywhere(session: Session, account_sid: str, *, old: str, new: str) -> None:
    """Reach with `new` what is reached with `old`: all destinations, and the settings that name it."""
    require_account(session, account_sid)
    lock_account(session, account_sid)  # first of all, as everywhere: other orders would deadlock or lose a POST
    successor = session.get(AwsCredential, new)
    if successor is None or successor.account_sid != account_sid:
        raise not_found("by: the account has no such AWS credential")
    changed = bool(replace_credential(session, account_sid=account_sid, old=old, new=new))
    for row in session.scalars(sa.select(Settings).where(Settings.account_sid == account_sid).with_for_update()):
        if row.values.get("aws_credentials_sid") == old:
            row.values = row.values | {"aws_credentials_sid": new}
            changed = True
    if changed:
        bump_revision(session, account_sid)


def list_uploaders(session: Session, account_sid: str) -> list[UploaderInfo]:
    require_account(session, account_sid)
    moment = now()
    query = sa.select(Spool).where(Spool.account_sid == account_sid).order_by(Spool.id)
    return [
        UploaderInfo(
            spool_id=row.id,
            namespace=row.namespace,
            pod=row.pod,
            last_seen=row.last_seen,
            live=moment - row.last_seen < LIVE,
            report=report_of(row),
        )
        for row in session.scalars(query)
    ]


def report_of(row: Spool) -> SpoolReport:
    """As its uploader sent it."""
    try:
        return SpoolReport.from_values(row.report)
    except MalformedError:  # written by a store of another version; the next exchange replaces it
        return SpoolReport(uploader_version="", started_at=row.last_seen)


def _owned(session: Session, account_sid: str, product: Product) -> Exception:
    row = session.get(Settings, (account_sid, product))
    name = (row.owner_label or row.owner) if row is not None else "somebody else"
    return conflict(f"the {product} settings are managed by {name}")
