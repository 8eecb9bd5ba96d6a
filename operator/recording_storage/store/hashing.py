"""Tokens and key secrets: how they are made, and how they are recognized again.

They are 256 random bits that we chose ourselves, never somebody's password, so there is no dictionary to try and
nothing that a slow hash (bcrypt, Argon2) could protect: one salted SHA-256 suffices, and a request costs microseconds.
The salt keeps equal secrets, and tables made beforehand, from being recognized.
"""

import hashlib
import hmac
import secrets

_SCHEME = "sha256"
_SALT_BYTES = 16
_ABSENT = f"{_SCHEME}${'00' * _SALT_BYTES}${'00' * 32}"


def new_secret() -> str:
    """256 random bits, hex."""
    return secrets.token_hex(32)


def hash_secret(secret: str) -> str:
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"{_SCHEME}${salt.hex()}${_digest(salt, secret)}"


def matches(secret: str, hashed: str | None) -> bool:
    """Compare in constant time; None (no such account) takes as long as a wrong secret."""
    scheme, salt, digest = (hashed or _ABSENT).split("$")
    same = hmac.compare_digest(_digest(bytes.fromhex(salt), secret), digest)
    return same and scheme == _SCHEME and hashed is not None


def _digest(salt: bytes, secret: str) -> str:
    return hashlib.sha256(salt + secret.encode()).hexdigest()
