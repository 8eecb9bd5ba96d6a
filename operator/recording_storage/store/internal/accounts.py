"""Accounts and bindings, as the operator manages them."""

import hmac
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recording_storage.protocol.accounts import AccountInfo, Binding, BindNamespace, OpenAccount, OpenedAccount
from recording_storage.protocol.base import Secret
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.engine import mark_changed
from recording_storage.store.database.models import Account, ApiKey
from recording_storage.store.database.models import Binding as BindingRow
from recording_storage.store.hashing import matches
from recording_storage.store.internal.problems import ProblemError, conflict, not_found
from recording_storage.store.internal.upsert import insert_into
from recording_storage.store.services.accounts import (
    MAX_FRIENDLY_NAME,
    add_account,
    add_api_key,
    bump_revision,
    lock_account,
    open_api_key,
)

ACTIVE, CLOSED = "active", "closed"
_KEY_NAME = "operator"


class _Outrun(Exception):  # noqa: N818 - no error: somebody else has opened it first
    pass


def open_account(store: Store, *, external_id: str, wanted: OpenAccount) -> OpenedAccount:
    """Open the account of a resource, or give the same answer again.

    Raises:
        ProblemError: 409: it was closed. 404: it is not the one that was opened before, or that one is gone.
    """
    opened = _opened(store, external_id)
    if wanted.known_sid is not None and (opened is None or opened.account_sid != wanted.known_sid):
        raise not_found(f"account {wanted.known_sid}, which was opened for this resource, is not here")
    if opened is None:
        try:
            return _open(store, external_id=external_id, wanted=wanted)
        except _Outrun:
            opened = _opened(store, external_id)
    if opened is None:
        raise conflict("somebody is opening and removing this account at the same time; try again")
    return opened


def _open(store: Store, *, external_id: str, wanted: OpenAccount) -> OpenedAccount:
    """Account and key in one transaction: a crash leaves both or neither. Raises _Outrun."""
    try:
        with store.database.write() as session:
            account = add_account(
                session,
                store.box,
                friendly_name=wanted.friendly_name[:MAX_FRIENDLY_NAME],
                external_id=external_id,
                own_storage=wanted.own_storage,
            )
            made = add_api_key(session, store.box, account_sid=account.sid, friendly_name=_KEY_NAME, keep_secret=True)
            return OpenedAccount(
                account_sid=account.sid,
                api_key_sid=made.key.sid,
                api_key_secret=Secret(made.secret),
                created=True,
            )
    except sa.exc.IntegrityError:  # external_id is unique
        raise _Outrun from None


def _opened(store: Store, external_id: str) -> OpenedAccount | None:
    with store.database.read() as session:
        query = (
            sa.select(Account, ApiKey)
            .outerjoin(ApiKey, sa.and_(ApiKey.account_sid == Account.sid, ApiKey.secret_box.is_not(None)))
            .where(Account.external_id == external_id)
            .order_by(ApiKey.created_at, ApiKey.sid)
            .limit(1)
        )
        row = session.execute(query).one_or_none()
    if row is None:
        return None
    account: Account = row[0]
    key: ApiKey | None = row[1]
    if account.status != ACTIVE:
        raise conflict("the account of this resource was closed; a new one needs another external_id")
    if key is None:
        return _rekeyed(store, account.sid)
    return _answer(store, key)


def _rekeyed(store: Store, account_sid: str) -> OpenedAccount:
    """The key was deleted through the public API; the operator can't do without one."""
    with store.database.write() as session:
        lock_account(session, account_sid)
        query = sa.select(ApiKey).where(ApiKey.account_sid == account_sid, ApiKey.secret_box.is_not(None)).limit(1)
        key = session.scalars(query).one_or_none()
        if key is None:
            made = add_api_key(session, store.box, account_sid=account_sid, friendly_name=_KEY_NAME, keep_secret=True)
            key = made.key
    return _answer(store, key)


def _answer(store: Store, key: ApiKey) -> OpenedAccount:
    secret = Secret(open_api_key(store.box, key))
    return OpenedAccount(account_sid=key.account_sid, api_key_sid=key.sid, api_key_secret=secret)


def account_info(session: Session, account_sid: str) -> AccountInfo:
    account = require_account(session, account_sid)
    return AccountInfo(
        account_sid=account.sid,
        friendly_name=account.friendly_name,
        external_id=account.external_id or "",
        status=account.status,
    )


def close_account(session: Session, account_sid: str) -> None:
    """Close it: nobody gets in, no uploader has its plan. Recordings and their metadata stay."""
    require_account(session, account_sid)
    uids = session.scalars(sa.select(BindingRow.namespace_uid).where(BindingRow.account_sid == account_sid)).all()
    closed = session.execute(
        sa.update(Account)
        .where(Account.sid == account_sid, Account.status != CLOSED)
        .values(status=CLOSED, updated_at=now())
        .returning(Account.sid)
    ).all()
    if closed:
        session.execute(sa.delete(BindingRow).where(BindingRow.account_sid == account_sid))
        bump_revision(session, account_sid)
        mark_changed(session, *uids)


def list_bindings(session: Session, account_sid: str) -> list[Binding]:
    require_account(session, account_sid)
    query = (
        sa.select(BindingRow)
        .where(BindingRow.account_sid == account_sid)
        .order_by(BindingRow.created_at, BindingRow.namespace_uid)
    )
    return [Binding(namespace_uid=row.namespace_uid, namespace=row.namespace) for row in session.scalars(query)]


def get_binding(session: Session, account_sid: str, namespace_uid: str) -> Binding:
    row = session.get(BindingRow, (account_sid, namespace_uid))
    if row is None:
        raise not_found("the namespace is not bound to the account")
    return Binding(namespace_uid=row.namespace_uid, namespace=row.namespace)


def bind_namespace(session: Session, account_sid: str, namespace_uid: str, *, wanted: BindNamespace) -> Binding:
    """Let the namespace's uploaders have the account's plan, if the account is proved to belong to who asks.

    Raises ProblemError: without a proof the same answer, whether there is such an account or not.
    """
    proof = _Proof.of(session, account_sid, wanted)
    if not proof.holds(wanted):
        raise ProblemError(
            403,
            "proof_refused",
            "a namespace is bound to an account only by the external_id that it was opened for, or by its own API key",
        )
    if proof.status != ACTIVE:
        raise conflict("the account is closed")
    insert = insert_into(session, BindingRow).values(
        account_sid=account_sid, namespace_uid=namespace_uid, namespace=wanted.namespace, created_at=now()
    )
    columns = [BindingRow.account_sid, BindingRow.namespace_uid]
    session.execute(insert.on_conflict_do_update(index_elements=columns, set_={"namespace": insert.excluded.namespace}))
    mark_changed(session, account_sid, namespace_uid)
    return Binding(namespace_uid=namespace_uid, namespace=wanted.namespace)


def unbind_namespace(session: Session, account_sid: str, namespace_uid: str) -> None:
    require_account(session, account_sid)
    session.execute(
        sa.delete(BindingRow).where(BindingRow.account_sid == account_sid, BindingRow.namespace_uid == namespace_uid)
    )
    mark_changed(session, account_sid, namespace_uid)


def require_account(session: Session, account_sid: str) -> Account:
    """The account, closed or not. Raises ProblemError (404)."""
    account = session.get(Account, account_sid)
    if account is None:
        raise not_found("there is no such account")
    return account


@dataclass(frozen=True)
class _Proof:
    """What the account can be proved by."""

    status: str
    external_id: str
    key_hash: str | None

    @classmethod
    def of(cls, session: Session, account_sid: str, wanted: BindNamespace) -> "_Proof":
        account = session.get(Account, account_sid)
        key = session.get(ApiKey, wanted.api_key.api_key_sid) if wanted.api_key else None
        own = key is not None and key.account_sid == account_sid
        return cls(
            status=account.status if account else "",
            external_id=(account.external_id or "") if account else "",
            key_hash=key.secret_hash if key is not None and own else None,
        )

    def holds(self, wanted: BindNamespace) -> bool:
        if wanted.external_id and hmac.compare_digest(wanted.external_id.encode(), self.external_id.encode()):
            return True
        return wanted.api_key is not None and matches(wanted.api_key.api_key_secret.get_secret_value(), self.key_hash)
