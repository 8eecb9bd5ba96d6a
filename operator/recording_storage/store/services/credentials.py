"""AWS credentials: kept sealed, never given back."""

import re
from dataclasses import dataclass, field

from recording_storage.domain.sids import SidPrefix, new_sid
from recording_storage.s3.types import Credential
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.models import AwsCredential
from recording_storage.store.errors import invalid
from recording_storage.store.secrets_box import SecretsBox
from recording_storage.store.services.accounts import bump_revision, checked_name, lock_account
from recording_storage.store.services.destinations import release_credential
from recording_storage.store.services.owned import own_row, require_unused

# AWS's own have 16 to 128 characters of [A-Za-z0-9_], other servers' have any length; both fit an HTTP header.
_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9_.@+=-]{3,128}")
_SECRET = re.compile(r"[\x21-\x7e]{8,1024}")


@dataclass(frozen=True)
class KeyPair:
    access_key_id: str
    secret_access_key: str = field(repr=False)


def parse_key_pair(text: str) -> KeyPair:
    """Read `ACCESS_KEY_ID:SECRET`. Raises StoreError, whose message repeats nothing of it."""
    access_key_id, colon, secret = text.strip().partition(":")
    if not colon:
        raise invalid("Credentials has the form ACCESS_KEY_ID:SECRET_ACCESS_KEY; there is no colon in it")
    if not _ACCESS_KEY_ID.fullmatch(access_key_id):
        raise invalid("Credentials: the access key ID before the colon has 3 to 128 letters, digits, '_', '.' or '-'")
    if not _SECRET.fullmatch(secret):
        raise invalid("Credentials: the secret behind the colon has 8 to 1024 printable characters without spaces")
    return KeyPair(access_key_id, secret)


def create_credential(store: Store, *, account_sid: str, credentials: str, friendly_name: str) -> AwsCredential:
    pair, name = parse_key_pair(credentials), checked_name(friendly_name)
    sid, moment = new_sid(SidPrefix.CREDENTIAL), now()
    sealed = store.box.seal(
        f"{pair.access_key_id}:{pair.secret_access_key}".encode(),
        table="aws_credentials",
        account_sid=account_sid,
        sid=sid,
    )
    row = AwsCredential(
        sid=sid, account_sid=account_sid, friendly_name=name, box=sealed, created_at=moment, updated_at=moment
    )
    with store.database.write() as session:
        session.add(row)
    return row


def delete_credential(store: Store, *, account_sid: str, sid: str) -> None:
    """Delete it; refused while enabled settings use it, or recordings wait to be stored with it.

    Destinations of earlier settings that are still reached with it lose it, and are held until they get another.
    """
    with store.database.write() as session:
        lock_account(session, account_sid)
        row = own_row(session, AwsCredential, account_sid=account_sid, sid=sid)
        require_unused(
            session,
            account_sid=account_sid,
            sid=sid,
            name="aws_credentials_sid",
            flag="aws_storage_enabled",
            instead="give them another credential, or disable external storage",
        )
        changed = release_credential(session, account_sid=account_sid, sid=sid)
        session.delete(row)
        if changed:
            bump_revision(session, account_sid)


def open_credential(box: SecretsBox, row: AwsCredential) -> Credential:
    """The key pair. Raises SealedSecretError."""
    text = box.open(row.box, table="aws_credentials", account_sid=row.account_sid, sid=row.sid).decode()
    access_key_id, _, secret = text.partition(":")
    return Credential(access_key_id=access_key_id, secret_access_key=secret)
