"""Recording settings of an account: reading, changing and proving them."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from recording_storage.domain.bucket_url import BucketLocation
from recording_storage.domain.policy import OwnStorage
from recording_storage.domain.settings import RecordingSettings
from recording_storage.domain.settings_parameters import SettingsError
from recording_storage.domain.states import Product
from recording_storage.s3.types import Credential, Destination
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.models import Account, AwsCredential, PublicKey, Settings
from recording_storage.store.errors import ErrorCode, StoreError, invalid
from recording_storage.store.services.accounts import bump_revision, lock_account
from recording_storage.store.services.credentials import open_credential
from recording_storage.store.services.destinations import locate, record_destination
from recording_storage.store.services.public_keys import UnusableKeyError, load_public_key
from recording_storage.store.verification import check_ca_bundle, is_allowed, verify_bucket

_ATTEMPTS = 3


@dataclass(frozen=True)
class _Present:
    settings: RecordingSettings
    revision: int
    """0 before the first POST."""


@dataclass(frozen=True)
class _Proof:
    """What was found out outside of any transaction."""

    location: BucketLocation | None
    verified: bool


def get_settings(store: Store, *, account_sid: str, product: Product) -> RecordingSettings:
    """The present settings; before the first POST, the defaults."""
    with store.database.read() as session:
        return _present(session, account_sid, product).settings


def get_own_storage(store: Store, *, account_sid: str, product: Product) -> OwnStorage:
    """Whether the store may keep recordings of the product while external storage is off."""
    query = (
        sa.select(sa.func.coalesce(Settings.own_storage, Account.own_storage))
        .select_from(Account)
        .outerjoin(Settings, sa.and_(Settings.account_sid == Account.sid, Settings.product == product))
        .where(Account.sid == account_sid)
    )
    with store.database.read() as session:
        return OwnStorage(session.execute(query).scalar_one())


def update_settings(
    store: Store, *, account_sid: str, product: Product, parameters: Mapping[str, str]
) -> RecordingSettings:
    """Take a POST: all of it as one revision, or nothing.

    The bucket is tried while no transaction is open, because that waits for the network; if somebody else changed the
    settings meanwhile, it starts over with theirs.

    Raises:
        StoreError: which parameter, or which of URL, credential, key and access is at fault.

    """
    for _ in range(_ATTEMPTS):
        with store.database.read() as session:
            before = _present(session, account_sid, product)
        try:
            after = before.settings.updated(parameters)
        except SettingsError as error:
            raise invalid(str(error)) from None
        proof = _prove(store, account_sid, before=before.settings, after=after)
        try:
            committed = _commit(store, account_sid, product, before=before, after=after, proof=proof)
        except IntegrityError:  # somebody else has just made the row, the operator for example to claim it
            continue
        if committed:
            return after
    raise StoreError(ErrorCode.CONFLICT, "These settings are being changed by somebody else; try again")


def _present(session: Session, account_sid: str, product: Product) -> _Present:
    row = session.get(Settings, (account_sid, product))
    if row is None or not row.revision:
        return _Present(RecordingSettings(), 0)
    return _Present(RecordingSettings.from_values(row.values), row.revision)


def _prove(store: Store, account_sid: str, *, before: RecordingSettings, after: RecordingSettings) -> _Proof:
    """Check what is in force or new, and try the bucket if need be.

    What is neither may have become unusable: it must not keep anybody from disabling external storage.
    """
    check_ca_bundle(after)
    new_url = bool(after.aws_s3_url) and after.aws_s3_url != before.aws_s3_url
    location = locate(store, after) if after.aws_storage_enabled or new_url else None
    with store.database.read() as session:
        credential = _check_references(store, session, account_sid, before=before, after=after)
    if not after.needs_verification(before):
        return _Proof(location if after.aws_storage_enabled else None, verified=False)
    assert location is not None
    assert credential is not None
    verify_bucket(store.config, Destination.of(location, after), credential=credential)
    return _Proof(location, verified=True)


def _commit(
    store: Store, account_sid: str, product: Product, *, before: _Present, after: RecordingSettings, proof: _Proof
) -> bool:
    """Write everything in one transaction; False when the settings are not those that the proof is of."""
    with store.database.write() as session:
        lock_account(session, account_sid)
        if _present(session, account_sid, product) != before:
            return False
        # Once more under the lock: a credential or key deleted in between must not become a dangling reference.
        _check_references(store, session, account_sid, before=before.settings, after=after)
        row = session.get(Settings, (account_sid, product))
        if row is None:
            row = Settings(account_sid=account_sid, product=product, verified_at=None)
            session.add(row)
        row.values, row.updated_at = after.to_values(), now()
        row.destination_id = None
        if proof.location is not None:
            row.destination_id = record_destination(
                session,
                account_sid=account_sid,
                product=product,
                location=proof.location,
                settings=after,
                allow_private=is_allowed(store.config, proof.location),
                proven=proof.verified,
            )
        if proof.verified:
            row.verified_at = now()
        elif not after.aws_storage_enabled:
            row.verified_at = None
        row.revision = bump_revision(session, account_sid)
    return True


def _check_references(
    store: Store, session: Session, account_sid: str, *, before: RecordingSettings, after: RecordingSettings
) -> Credential | None:
    """Check the sids that are in force or new; gives the credential if one is named."""
    if after.encryption_enabled or after.encryption_key_sid != before.encryption_key_sid:
        _encryption_key(session, account_sid, after)
    if after.aws_storage_enabled or after.aws_credentials_sid != before.aws_credentials_sid:
        return _credential(store, session, account_sid, after)
    return None


def _credential(store: Store, session: Session, account_sid: str, settings: RecordingSettings) -> Credential | None:
    """The settings' credential, which must be there if they name one; None when they don't and needn't."""
    if not settings.aws_credentials_sid:
        if settings.aws_storage_enabled:
            raise StoreError(
                ErrorCode.AWS_CREDENTIALS_NOT_FOUND,
                "AwsCredentialsSid: it is required while AwsStorageEnabled is true",
            )
        return None
    row = session.get(AwsCredential, settings.aws_credentials_sid)
    if row is None or row.account_sid != account_sid:
        raise StoreError(
            ErrorCode.AWS_CREDENTIALS_NOT_FOUND,
            f"AwsCredentialsSid: the account has no AWS credential {settings.aws_credentials_sid}; create one first",
        )
    return open_credential(store.box, row)


def _encryption_key(session: Session, account_sid: str, settings: RecordingSettings) -> RSAPublicKey | None:
    """The settings' public key, tried: it must be able to wrap a content key."""
    if not settings.encryption_key_sid:
        if settings.encryption_enabled:
            raise StoreError(
                ErrorCode.PUBLIC_KEY_NOT_FOUND, "EncryptionKeySid: it is required while EncryptionEnabled is true"
            )
        return None
    row = session.get(PublicKey, settings.encryption_key_sid)
    if row is None or row.account_sid != account_sid:
        raise StoreError(
            ErrorCode.PUBLIC_KEY_NOT_FOUND,
            f"EncryptionKeySid: the account has no public key {settings.encryption_key_sid}; create one first",
        )
    try:
        return load_public_key(row.pem)
    except UnusableKeyError as error:
        raise StoreError(ErrorCode.INVALID_PUBLIC_KEY, f"EncryptionKeySid: {error}") from None
