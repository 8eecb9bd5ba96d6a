"""Who calls: HTTP Basic with account sid and auth token, or API key sid and secret."""

import base64
from typing import Annotated

from fastapi import Depends, Request

from recording_storage.store.context import Store
from recording_storage.store.errors import ErrorCode, StoreError
from recording_storage.store.services.accounts import Caller, authenticate

_MAX_HEADER = 1024


def get_store(request: Request) -> Store:
    store = request.app.state.store
    assert isinstance(store, Store)
    return store


def get_caller(request: Request) -> Caller:
    """The caller. Raises StoreError (401, 20003); which half of the pair is wrong is not told."""
    user, password = _basic(request.headers.get("authorization", ""))
    caller = authenticate(get_store(request), user=user, password=password) if user else None
    if caller is None:
        raise StoreError(ErrorCode.UNAUTHORIZED, "Authenticate")
    request.state.caller = caller.account_sid
    return caller


def get_account_sid(request: Request, caller: Annotated[Caller, Depends(get_caller)]) -> str:
    """The account in the path, which must be the caller's own; any other is answered as the hosted service does."""
    if request.path_params.get("account_sid", "") not in {caller.account_sid, f"{caller.account_sid}.json"}:
        raise StoreError(ErrorCode.UNAUTHORIZED, "Authenticate")
    return caller.account_sid


StoreDep = Annotated[Store, Depends(get_store)]
CallerDep = Annotated[Caller, Depends(get_caller)]
AccountDep = Annotated[str, Depends(get_account_sid)]


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > _MAX_HEADER:
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:  # no base64, no ASCII, or no UTF-8 in it
        return "", ""
    # No sid has another character, and PostgreSQL would choke on a NUL.
    return (user, password) if user.isascii() and user.isalnum() else ("", "")
