"""Destinations: where the recordings of an account go or went, kept for as long as somebody may need them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recording_storage.domain.amounts import counted
from recording_storage.domain.bucket_url import BucketLocation, BucketUrlError, parse_bucket_url
from recording_storage.domain.settings import RecordingSettings, destination_id
from recording_storage.domain.states import Product
from recording_storage.protocol.plan import DestinationPlan
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.models import UNFINISHED, Destination, PublicKey, Recording, Settings, Spool
from recording_storage.store.errors import ErrorCode, StoreError

LOST = timedelta(days=7)
"""A spool that has not been heard of for so long may be gone for good: what waits there keeps nothing from going."""


def locate(store: Store, settings: RecordingSettings) -> BucketLocation:
    """Read the settings' URL with the endpoints that this store allows. Raises StoreError (53610)."""
    if not settings.aws_s3_url:
        raise StoreError(ErrorCode.INVALID_BUCKET_URL, "AwsS3Url: it is required while AwsStorageEnabled is true")
    try:
        return parse_bucket_url(
            settings.aws_s3_url,
            region=settings.region,
            allowed_endpoints=store.config.allow_endpoint,
            allow_http=True,  # only for endpoints that were allowed as http://…, word for word
        )
    except BucketUrlError as error:
        raise StoreError(ErrorCode.INVALID_BUCKET_URL, f"AwsS3Url: {error}") from None


def record_destination(
    session: Session,
    *,
    account_sid: str,
    product: Product,
    location: BucketLocation,
    settings: RecordingSettings,
    allow_private: bool,
    proven: bool,
) -> str:
    """Enter the settings' destination, or give the one that is there the settings' credential; gives its id.

    What is not part of the id (CA bundle, storage class, tags, …) follows the newest settings: it says how the place is
    reached, not which place it is. The public key is copied: it can be deleted, and what waits here still needs it.
    """
    id_ = destination_id(location, settings, product=product)
    moment = now()
    row = session.get(Destination, (account_sid, id_), with_for_update=True)
    if row is None:
        row = Destination(account_sid=account_sid, id=id_, created_at=moment, proven_at=None)
        session.add(row)
    row.values = _values(id_, location, settings, allow_private=allow_private)
    row.credential_sid = settings.aws_credentials_sid
    row.public_key_sid = settings.effective_key_sid or None
    row.public_key = _pem(session, account_sid, settings.effective_key_sid)
    if proven:
        row.proven_at = moment
        _lead_former(session, row, product=product)
    return id_


def release_credential(session: Session, *, account_sid: str, sid: str) -> bool:
    """Reach nothing with a credential any more; True when this changed a destination.

    A destination takes the credential of settings that are in force for the same place, else it is left without one.

    Raises:
        StoreError: 409; recordings still wait to be stored with it, on spools that are not `LOST`, and no other
            credential is known for them.

    """
    present = _in_force(session, account_sid)
    released = session.scalars(
        sa.select(Destination).where(Destination.account_sid == account_sid, Destination.credential_sid == sid)
    ).all()
    for row in released:
        heirs = [each.credential_sid for each in present if _place(each) == _place(row) and each.credential_sid != sid]
        if not heirs and (count := _waiting(session, row)):
            raise StoreError(
                ErrorCode.CONFLICT,
                f"{sid} is needed to store {counted(count, 'recording')} in {row.values['bucket']}; give that "
                "bucket another credential by settings with its URL, or let them be stored, or delete them, and delete "
                f"it then. Those on spools that have not been heard of for {LOST.days} days don't count",
            )
        row.credential_sid = heirs[0] if heirs else None
    return bool(released)


def replace_credential(session: Session, *, account_sid: str, old: str, new: str) -> list[str]:
    """Reach with `new` whatever is reached with `old`; gives the ids of the destinations that this changed."""
    statement = (
        sa.update(Destination)
        .where(Destination.account_sid == account_sid, Destination.credential_sid == old)
        .values(credential_sid=new)
        .returning(Destination.id)
    )
    return list(session.scalars(statement))


def _values(id_: str, location: BucketLocation, settings: RecordingSettings, *, allow_private: bool) -> dict[str, Any]:
    plan = DestinationPlan(
        id=id_,
        endpoint=location.endpoint,
        bucket=location.bucket,
        prefix=location.prefix,
        region=location.region,
        addressing=location.style,
        allow_http=location.allow_http,
        allow_private=allow_private,
        key_template=settings.key_template,
        ca_bundle=settings.ca_bundle,
        expected_bucket_owner=settings.expected_bucket_owner,
        storage_class=settings.storage_class,
        server_side_encryption=settings.server_side_encryption,
        kms_key_id=settings.kms_key_id,
        tags=dict(settings.tags),
        object_metadata=settings.object_metadata,
        trust_unverified=settings.trust_unverified,
    )
    elsewhere = {"credential", "encryption", "proven"}  # in columns of their own
    return {name: value for name, value in plan.to_values().items() if name not in elsewhere}


def _pem(session: Session, account_sid: str, sid: str) -> str | None:
    row = session.get(PublicKey, sid) if sid else None
    return row.pem if row is not None and row.account_sid == account_sid else None


def _lead_former(session: Session, proven: Destination, *, product: Product) -> None:
    """Reach destinations of earlier settings in the way that has just been proved for their server.

    Recordings may wait for them, and nobody posts settings for them any more. A server's certificates are the same for
    all its buckets; a credential may be for one folder only. What other settings have in force is theirs to change.
    """
    spared = {row.id for row in _in_force(session, proven.account_sid, but=product)} | {proven.id}
    for row in session.scalars(sa.select(Destination).where(Destination.account_sid == proven.account_sid)):
        if row.id in spared or row.values["endpoint"] != proven.values["endpoint"]:
            continue
        row.values = row.values | {name: proven.values[name] for name in ("ca_bundle", "allow_private")}
        if _place(row) == _place(proven):
            row.credential_sid = proven.credential_sid


def _in_force(session: Session, account_sid: str, *, but: Product | None = None) -> Sequence[Destination]:
    """The destinations of new recordings."""
    ids = sa.select(Settings.destination_id).where(
        Settings.account_sid == account_sid, Settings.destination_id.is_not(None), Settings.product != (but or "")
    )
    return session.scalars(
        sa.select(Destination).where(Destination.account_sid == account_sid, Destination.id.in_(ids))
    ).all()


def _place(row: Destination) -> tuple[str, str, str]:
    """What a credential is good for."""
    return row.values["endpoint"], row.values["bucket"], row.values["prefix"]


def _waiting(session: Session, row: Destination) -> int:
    """How many recordings, as far as the store knows, have yet to be stored there, and can still be."""
    since = now() - LOST
    alive = sa.exists().where(
        Spool.id == Recording.spool_id, Spool.account_sid == row.account_sid, Spool.last_seen >= since
    )
    query = sa.select(sa.func.count()).where(
        Recording.account_sid == row.account_sid,
        Recording.destination_id == row.id,
        # All that waits does so on a spool. Said here, since otherwise an index of all recordings serves as well as
        # the one of the unfinished, and SQLite takes either.
        Recording.spool_id > "",
        UNFINISHED,
        sa.or_(Recording.updated_at >= since, alive),
    )
    return session.execute(query).scalar_one()
