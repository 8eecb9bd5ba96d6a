"""What AWS credentials and public keys have in common: an account owns them, lists them, and may rename them."""

from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recording_storage.domain.sids import is_sid
from recording_storage.store.clock import now
from recording_storage.store.context import Store
from recording_storage.store.database.models import AwsCredential, PublicKey, Settings
from recording_storage.store.errors import ErrorCode, StoreError, not_found
from recording_storage.store.pages import Page, PageRequest, read_page
from recording_storage.store.services.accounts import checked_name

Owned = TypeVar("Owned", AwsCredential, PublicKey)

PATHS: dict[type[AwsCredential | PublicKey], str] = {
    AwsCredential: "/v1/Credentials/AWS",
    PublicKey: "/v1/Credentials/PublicKeys",
}
"""Where the API has them."""


def list_owned(store: Store, model: type[Owned], *, account_sid: str, request: PageRequest) -> Page[Owned]:
    """One page, newest first."""
    with store.database.read() as session:
        query = sa.select(model).where(model.account_sid == account_sid)
        return read_page(session, query, request=request, time=model.created_at, sid=model.sid)


def get_owned(store: Store, model: type[Owned], *, account_sid: str, sid: str) -> Owned:
    with store.database.read() as session:
        return own_row(session, model, account_sid=account_sid, sid=sid)


def rename_owned(store: Store, model: type[Owned], *, account_sid: str, sid: str, friendly_name: str | None) -> Owned:
    """Change the FriendlyName, the only thing that may change; None keeps it."""
    with store.database.write() as session:
        row = own_row(session, model, account_sid=account_sid, sid=sid)
        if friendly_name is not None:
            row.friendly_name, row.updated_at = checked_name(friendly_name), now()
        return row


def own_row(session: Session, model: type[Owned], *, account_sid: str, sid: str) -> Owned:
    """The row, if it belongs to the account; another account's answers as one that does not exist."""
    row = session.get(model, sid) if is_sid(sid) else None
    if row is None or row.account_sid != account_sid:
        raise not_found(f"{PATHS[model]}/{sid}")
    return row


def require_unused(session: Session, *, account_sid: str, sid: str, name: str, flag: str, instead: str) -> None:
    """Refuse to delete what settings use.

    Args:
        session: holds the account's lock, so that nobody enables settings with it meanwhile.
        account_sid: the owner.
        sid: what is to be deleted.
        name: the setting that holds such a sid.
        flag: the setting that says whether it is in use.
        instead: what to do, for the message.

    Raises:
        StoreError: 409; names the products.

    """
    rows = session.scalars(sa.select(Settings).where(Settings.account_sid == account_sid)).all()
    products = sorted(row.product for row in rows if row.values.get(name) == sid and row.values.get(flag))
    if products:
        raise StoreError(
            ErrorCode.CONFLICT,
            f"{sid} is used by the recording settings for {' and '.join(products)}; {instead}, and delete it then",
        )
