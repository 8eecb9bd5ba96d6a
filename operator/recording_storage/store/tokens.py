"""Bearer tokens of the internal API that the store itself makes; only their hash is kept.

A token has 256 random bits, so a plain SHA-256 of it can't be guessed back; a slow password hash would only slow us.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from recording_storage.store.database.models import Account, Token

PREFIX = "rst_"
"""Tells our tokens from service accounts' (and lets secret scanners find one that was committed)."""
_BYTES = 32


class UnknownAccountError(LookupError):
    """There is no such account, or it is closed."""


@dataclass(frozen=True)
class TokenOwner:
    account_sid: str | None
    """None: admin."""


def create_token(session: Session, *, account_sid: str | None) -> str:
    """Make a token for an account's uploaders, or (None) for an admin; it can't be read again later.

    Raises UnknownAccountError.
    """
    if account_sid is not None:
        account = session.get(Account, account_sid)
        if account is None or account.status != "active":
            raise UnknownAccountError(f"there is no active account {account_sid}")
    token = PREFIX + secrets.token_urlsafe(_BYTES)
    session.add(Token(hash=token_hash(token), account_sid=account_sid, created_at=datetime.now(UTC)))
    return token


def is_ours(token: str) -> bool:
    return token.startswith(PREFIX)


def find_token(session: Session, token: str) -> TokenOwner | None:
    """Whose token it is; None: nobody's."""
    row = session.get(Token, token_hash(token))
    return TokenOwner(account_sid=row.account_sid) if row else None


def token_hash(token: str) -> str:
    """SHA-256, hex. Also the key of caches: a token itself is kept nowhere."""
    return hashlib.sha256(token.encode()).hexdigest()
