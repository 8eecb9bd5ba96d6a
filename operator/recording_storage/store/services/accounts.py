"""Accounts and their keys: opening them, recognizing callers, counting revisions."""

import re
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recording_storage.domain.policy import OwnStorage
from recording_storage.domain.sids import SidPrefix, is_sid, new_sid
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.engine import mark_changed
from recording_storage.store.database.models import Account, ApiKey
from recording_storage.store.errors import ErrorCode, StoreError, invalid, not_found
from recording_storage.store.hashing import hash_secret, matches, new_secret
from recording_storage.store.pages import Page, PageRequest, read_page
from recording_storage.store.secrets_box import SecretsBox

MAX_FRIENDLY_NAME = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Caller:
    """Who has proved to be allowed to act for an account."""

    account_sid: str
    api_key_sid: str | None = None
    """None: the account's own auth token."""


@dataclass(frozen=True)
class NewAccount:
    sid: str
    auth_token: str = field(repr=False)


@dataclass(frozen=True)
class NewApiKey:
    key: ApiKey
    secret: str = field(repr=False)
    """Given once, unless it was made with `keep_secret`."""


def authenticate(store: Store, *, user: str, password: str) -> Caller | None:
    """Recognize an account by its auth token, or an API key by its secret; None when they don't fit."""
    with store.database.read() as session:
        if user.startswith(SidPrefix.API_KEY):
            row = session.execute(
                sa.select(ApiKey.secret_hash, Account.sid, Account.status)
                .join(Account, Account.sid == ApiKey.account_sid)
                .where(ApiKey.sid == user)
            ).one_or_none()
        else:
            row = session.execute(
                sa.select(Account.auth_token_hash, Account.sid, Account.status).where(Account.sid == user)
            ).one_or_none()
    hashed, account_sid, status = row or (None, "", "")
    if not matches(password, hashed) or status != "active":
        return None
    return Caller(account_sid=account_sid, api_key_sid=user if user.startswith(SidPrefix.API_KEY) else None)


def add_account(
    session: Session,
    box: SecretsBox,
    *,
    friendly_name: str,
    external_id: str | None = None,
    own_storage: OwnStorage = OwnStorage.ALLOWED,
) -> NewAccount:
    """Open an account in the transaction at hand."""
    sid, auth_token, moment = new_sid(SidPrefix.ACCOUNT), new_secret(), now()
    session.add(
        Account(
            sid=sid,
            friendly_name=friendly_name[:MAX_FRIENDLY_NAME],
            external_id=external_id,
            auth_token_hash=hash_secret(auth_token),
            auth_token_box=box.seal(auth_token.encode(), table="accounts", account_sid=sid, sid=sid),
            status="active",
            own_storage=own_storage,
            revision=0,
            created_at=moment,
            updated_at=moment,
        )
    )
    session.flush()
    return NewAccount(sid=sid, auth_token=auth_token)


def add_api_key(
    session: Session, box: SecretsBox, *, account_sid: str, friendly_name: str = "", keep_secret: bool = False
) -> NewApiKey:
    """Make an API key in the transaction at hand; `keep_secret` seals it, to be given again by `open_api_key`."""
    sid, secret = new_sid(SidPrefix.API_KEY), new_secret()
    sealed = box.seal(secret.encode(), table="api_keys", account_sid=account_sid, sid=sid) if keep_secret else None
    key = ApiKey(
        sid=sid,
        account_sid=account_sid,
        friendly_name=friendly_name,
        secret_hash=hash_secret(secret),
        secret_box=sealed,
        created_at=now(),
    )
    session.add(key)
    session.flush()
    return NewApiKey(key=key, secret=secret)


def open_api_key(box: SecretsBox, key: ApiKey) -> str:
    """The secret of a key that was made with `keep_secret`."""
    if key.secret_box is None:
        raise StoreError(ErrorCode.CONFLICT, f"the secret of {key.sid} was given once and is not kept")
    return box.open(key.secret_box, table="api_keys", account_sid=key.account_sid, sid=key.sid).decode()


def open_auth_token(box: SecretsBox, account: Account) -> str:
    """The account's auth token; callbacks are signed with it."""
    return box.open(account.auth_token_box, table="accounts", account_sid=account.sid, sid=account.sid).decode()


def create_account(store: Store, *, friendly_name: str, own_storage: OwnStorage = OwnStorage.ALLOWED) -> NewAccount:
    with store.database.write() as session:
        return add_account(session, store.box, friendly_name=checked_name(friendly_name), own_storage=own_storage)


def create_api_key(store: Store, *, account_sid: str, friendly_name: str) -> NewApiKey:
    with store.database.write() as session:
        name = checked_name(friendly_name)
        return add_api_key(session, store.box, account_sid=account_sid, friendly_name=name)


def list_api_keys(store: Store, *, account_sid: str, request: PageRequest) -> Page[ApiKey]:
    with store.database.read() as session:
        query = sa.select(ApiKey).where(ApiKey.account_sid == account_sid)
        return read_page(session, query, request=request, time=ApiKey.created_at, sid=ApiKey.sid)


def get_api_key(store: Store, *, account_sid: str, sid: str) -> ApiKey:
    with store.database.read() as session:
        return _own_key(session, account_sid, sid)


def delete_api_key(store: Store, *, account_sid: str, sid: str) -> None:
    with store.database.write() as session:
        session.delete(_own_key(session, account_sid, sid))


def get_account(store: Store, *, sid: str) -> Account:
    with store.database.read() as session:
        account = session.get(Account, sid)
    if account is None:
        raise not_found(f"/2010-04-01/Accounts/{sid}.json")
    return account


def bump_revision(session: Session, account_sid: str) -> int:
    """Count a change that uploaders have to know, and wake them once it is committed; gives the new revision.

    The row stays locked until the commit, so revisions are committed in their order.
    """
    statement = (
        sa.update(Account)
        .where(Account.sid == account_sid)
        .values(revision=Account.revision + 1, updated_at=now())
        .returning(Account.revision)
        .execution_options(synchronize_session=False)
    )
    revision: int = session.execute(statement).scalar_one()
    mark_changed(session, account_sid)
    return revision


def lock_account(session: Session, account_sid: str) -> Account:
    """The account's row, locked against other writers until the end of the transaction."""
    # NO KEY: inserting a row that refers to the account locks its key, and must neither wait nor deadlock with this.
    query: sa.Select[Any] = sa.select(Account).where(Account.sid == account_sid).with_for_update(key_share=True)
    account = session.execute(query).scalar_one_or_none()
    if account is None:
        raise not_found(f"/2010-04-01/Accounts/{account_sid}.json")
    assert isinstance(account, Account)
    return account


def checked_name(name: str) -> str:
    """Give back the FriendlyName, or refuse it."""
    if _CONTROL.search(name):
        raise invalid("FriendlyName has control characters; leave them out")
    if len(name) > MAX_FRIENDLY_NAME:
        raise invalid(f"FriendlyName has {len(name)} characters; {MAX_FRIENDLY_NAME} are the limit")
    return name


def _own_key(session: Session, account_sid: str, sid: str) -> ApiKey:
    key = session.get(ApiKey, sid) if is_sid(sid) else None
    if key is None or key.account_sid != account_sid:
        raise not_found(f"/2010-04-01/Accounts/{account_sid}/Keys/{sid}.json")
    return key
