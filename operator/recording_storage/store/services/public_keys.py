"""Public keys that recordings are encrypted for."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from recording_storage.domain.sids import SidPrefix, new_sid
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.models import PublicKey
from recording_storage.store.errors import invalid
from recording_storage.store.services.accounts import checked_name, lock_account
from recording_storage.store.services.owned import own_row, require_unused

MIN_BITS = 2048
MAX_BITS = 16384
"""A larger one would make each wrapping slow and is nobody's real key."""
_CONTENT_KEY_BYTES = 32


class UnusableKeyError(ValueError):
    """Not a key that recordings can be encrypted for; the message says why."""


def load_public_key(pem: str) -> RSAPublicKey:
    """Read a PEM public key and try it: it has to wrap a content key. Raises UnusableKeyError."""
    if "PRIVATE KEY" in pem:
        raise UnusableKeyError("this is a private key; keep it, and give its public half")
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKeyError("it is no PEM public key (-----BEGIN PUBLIC KEY-----)") from None
    if not isinstance(key, RSAPublicKey):
        raise UnusableKeyError("it is no RSA key")
    if not MIN_BITS <= key.key_size <= MAX_BITS:
        raise UnusableKeyError(f"it has {key.key_size} bits; {MIN_BITS} to {MAX_BITS} are taken")
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    try:
        key.encrypt(bytes(_CONTENT_KEY_BYTES), oaep)
    except ValueError:
        raise UnusableKeyError("it can't wrap a content key") from None
    return key


def create_public_key(store: Store, *, account_sid: str, public_key: str, friendly_name: str) -> PublicKey:
    name = checked_name(friendly_name)
    try:
        key = load_public_key(public_key)
    except UnusableKeyError as error:
        raise invalid(f"PublicKey: {error}; give an RSA public key of {MIN_BITS} bits or more, as PEM") from None
    # Kept in one canonical form, whatever line ends or PEM label it came with.
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    sid, moment = new_sid(SidPrefix.CREDENTIAL), now()
    row = PublicKey(sid=sid, account_sid=account_sid, friendly_name=name, pem=pem, created_at=moment, updated_at=moment)
    with store.database.write() as session:
        session.add(row)
    return row


def delete_public_key(store: Store, *, account_sid: str, sid: str) -> None:
    """Delete it; refused while settings with encryption enabled use it.

    What was recorded under earlier settings is still encrypted for it: destinations have their own copy.
    """
    with store.database.write() as session:
        lock_account(session, account_sid)
        row = own_row(session, PublicKey, account_sid=account_sid, sid=sid)
        require_unused(
            session,
            account_sid=account_sid,
            sid=sid,
            name="encryption_key_sid",
            flag="encryption_enabled",
            instead="give them another key, or disable encryption",
        )
        session.delete(row)
