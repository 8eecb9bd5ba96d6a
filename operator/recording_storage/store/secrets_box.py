"""Secrets at rest: AES-256-GCM under a master key that lives in a file of its own.

A sealed secret is `version (1 byte) | key id (8) | nonce (12) | ciphertext and tag`. Table, account and sid are
associated data: a box that is copied to another row of the database does not open there.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from recording_storage.domain.system_errors import plain_reason

KEY_BYTES = 32
_VERSION = b"\x01"
_ID_BYTES = 8
_NONCE_BYTES = 12
HEAD_BYTES = len(_VERSION) + _ID_BYTES
"""Of a box, that say with which key it is sealed."""
_HEADER = HEAD_BYTES + _NONCE_BYTES


class MasterKeyError(Exception):
    """The master key file can't be used; the message never holds what is in it."""


class SealedSecretError(Exception):
    """A box does not open: its key is not in the file any more, or it was changed or moved."""


class SecretsBox:
    """Seals with the first key, opens with any; thread-safe."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise MasterKeyError("no master key")
        self._keys = {_key_id(key): AESGCM(key) for key in keys}
        self._first = _key_id(keys[0])
        self._seed = keys[0]

    def __repr__(self) -> str:
        return f"SecretsBox({len(self._keys)} keys)"

    def seal(self, secret: bytes, *, table: str, account_sid: str, sid: str) -> bytes:
        """Seal for one row. The nonce is random: under one key 2^32 boxes are safe, far more than rows exist."""
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = self._keys[self._first].encrypt(nonce, secret, _bound_to(table, account_sid, sid))
        return _VERSION + self._first + nonce + ciphertext

    def open(self, box: bytes, *, table: str, account_sid: str, sid: str) -> bytes:
        """Give the secret. Raises SealedSecretError."""
        key = self._keys.get(box[1:HEAD_BYTES])
        if box[:1] != _VERSION or len(box) < _HEADER or key is None:
            raise SealedSecretError(
                f"the secret of {sid} is sealed with a key that the master key file does not have; put it back there"
            )
        try:
            return key.decrypt(box[HEAD_BYTES:_HEADER], box[_HEADER:], _bound_to(table, account_sid, sid))
        except InvalidTag:
            raise SealedSecretError(f"the secret of {sid} was changed, or belongs to another row") from None

    def is_current(self, box: bytes) -> bool:
        """Whether it is sealed with the first key; others are sealed anew by `store reseal`."""
        return box[:HEAD_BYTES] == _VERSION + self._first

    def knows(self, head: bytes) -> bool:
        """Whether it has the key of a box that begins so; `HEAD_BYTES` are needed."""
        return head[:1] == _VERSION and head[1:HEAD_BYTES] in self._keys

    def derive(self, purpose: str) -> bytes:
        """32 bytes for another use, e.g. signing media URLs; they change when the first key does."""
        return hmac.digest(self._seed, purpose.encode(), "sha256")


def read_master_keys(path: Path, *, create: bool = False) -> SecretsBox:
    """Read a master key file: one key a line, base64 or hex of 32 bytes; `#` begins a comment. Or 32 raw bytes.

    The first key seals. To rotate, put a new key above the old one, restart, run `store reseal`, remove the old one.

    Args:
        path: the file.
        create: make it, with one new key and mode 0600, when it is absent.

    Raises:
        MasterKeyError: absent, unreadable, or not in this form.

    """
    if create:
        _create(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MasterKeyError(f"the master key file {path} does not exist; --create-master-key makes one") from None
    except OSError as error:
        raise MasterKeyError(f"the master key file {path} can't be read: {plain_reason(error)}") from None
    if len(content) == KEY_BYTES:  # no line of text is a key of this length, so it is the key itself
        return SecretsBox([content])
    lines = content.decode("ascii", errors="replace").splitlines()
    keys = [
        _key(line.strip(), where=f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not keys:
        raise MasterKeyError(f"the master key file {path} has no key; --create-master-key makes a file that is absent")
    return SecretsBox(keys)


def new_key_line() -> str:
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def _create(path: Path) -> None:
    try:
        # O_EXCL: of two that start at once, the later one reads the file of the earlier one.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise MasterKeyError(f"the master key file {path} can't be created: {_why_not(path, error)}") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(f"# Master key of the settings store. Without it no stored secret can be read.\n{new_key_line()}\n")
        file.flush()
        os.fsync(file.fileno())


def _why_not(path: Path, error: OSError) -> str:
    """Of what is to be made, the folder is what doesn't exist."""
    if isinstance(error, FileNotFoundError):
        return f"the folder {path.parent} does not exist"
    return plain_reason(error)


def _key(line: str, *, where: str) -> bytes:
    altchars = b"-_" if set("-_") & set(line) else None
    try:
        key = (
            bytes.fromhex(line)
            if len(line) == 2 * KEY_BYTES
            else base64.b64decode(line, altchars=altchars, validate=True)
        )
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise MasterKeyError(f"{where}: a key is the base64 of {KEY_BYTES} random bytes (openssl rand -base64 32)")
    return key


def _key_id(key: bytes) -> bytes:
    """Names a key without telling anything of it; nobody has to number keys by hand."""
    return hashlib.sha256(b"recording-storage master key id\0" + key).digest()[:_ID_BYTES]


def _bound_to(table: str, account_sid: str, sid: str) -> bytes:
    return f"{table}/{account_sid}/{sid}".encode()
