"""Destinations: where the recordings of an account go or went, kept for as long as somebody may need them."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recording_storage.domain.bucket_url import BucketLocation, BucketUrlError, parse_bucket_url
from recording_storage.domain.settings import RecordingSettings, destination_id
from recording_storage.protocol.plan import DestinationPlan
from recording_storage.s3.types import Destination as S3Destination
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.models import Destination
from recording_storage.store.errors import ErrorCode, StoreError


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


def s3_destination(location: BucketLocation, settings: RecordingSettings) -> S3Destination:
    """The settings as the S3 client wants them."""
    return S3Destination(
        location=location,
        ca_bundle=settings.ca_bundle or None,
        expected_bucket_owner=settings.expected_bucket_owner,
        storage_class=settings.storage_class,
        sse=settings.server_side_encryption,
        kms_key_id=settings.kms_key_id,
        tags=settings.tags,
    )


def record_destination(
    session: Session,
    *,
    account_sid: str,
    location: BucketLocation,
    settings: RecordingSettings,
    allow_private: bool,
    proven: bool,
) -> str:
    """Enter the settings' destination, or give the one that is there the settings' credential; gives its id.

    What is not part of the id (CA bundle, storage class, tags, …) follows the newest settings: it says how the place is
    reached, not which place it is.
    """
    id_ = destination_id(location, settings)
    moment = now()
    row = session.get(Destination, (account_sid, id_), with_for_update=True)
    if row is None:
        row = Destination(account_sid=account_sid, id=id_, created_at=moment, proven_at=None)
        session.add(row)
    row.values = _values(id_, location, settings, allow_private=allow_private)
    row.credential_sid = settings.aws_credentials_sid
    row.public_key_sid = settings.effective_key_sid or None
    if proven:
        row.proven_at = moment
    return id_


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
        addressing=location.style.value,
        allow_http=location.allow_http,
        allow_private=allow_private,
        key_template=settings.key_template,
        ca_bundle=settings.ca_bundle,
        expected_bucket_owner=settings.expected_bucket_owner,
        storage_class=settings.storage_class,
        server_side_encryption=settings.server_side_encryption,
        kms_key_id=settings.kms_key_id,
        tags=dict(settings.tags),
    )
    return plan.model_dump(mode="json", exclude={"credential", "encryption", "proven"})
