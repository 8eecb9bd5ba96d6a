"""`/2010-04-01/Accounts/{AC}.json` and its API keys."""

from typing import Any

from fastapi import APIRouter, Request, Response

from recording_storage.store.api.auth import AccountDep, StoreDep
from recording_storage.store.api.forms import FormDep, PageDep
from recording_storage.store.api.lists import flat_page
from recording_storage.store.api.times import rfc2822
from recording_storage.store.api.urls import extension
from recording_storage.store.database.models import ApiKey
from recording_storage.store.services import accounts

router = APIRouter(prefix="/2010-04-01/Accounts")


@router.get("/{account_sid}/Keys.json")
def list_keys(request: Request, store: StoreDep, account_sid: AccountDep, page: PageDep) -> dict[str, Any]:
    rows = accounts.list_api_keys(store, account_sid=account_sid, request=page)
    return flat_page(request, rows, key="keys", render=_render_key)


@router.post("/{account_sid}/Keys.json", status_code=201)
def create_key(store: StoreDep, account_sid: AccountDep, form: FormDep) -> dict[str, Any]:
    new = accounts.create_api_key(store, account_sid=account_sid, friendly_name=form.get("FriendlyName", ""))
    return _render_key(new.key) | {"secret": new.secret}


@router.get("/{account_sid}/Keys/{name}")
def get_key(store: StoreDep, account_sid: AccountDep, name: str) -> dict[str, Any]:
    return _render_key(accounts.get_api_key(store, account_sid=account_sid, sid=extension(name)[0]))


@router.delete("/{account_sid}/Keys/{name}", status_code=204)
def delete_key(store: StoreDep, account_sid: AccountDep, name: str) -> Response:
    accounts.delete_api_key(store, account_sid=account_sid, sid=extension(name)[0])
    return Response(status_code=204)


@router.get("/{account_sid}")
def get_account(store: StoreDep, account_sid: AccountDep) -> dict[str, Any]:
    account = accounts.get_account(store, sid=account_sid)
    uri = f"/2010-04-01/Accounts/{account.sid}"
    return {
        "sid": account.sid,
        "friendly_name": account.friendly_name,
        "status": account.status,
        "type": "Full",
        "owner_account_sid": account.sid,
        "date_created": rfc2822(account.created_at),
        "date_updated": rfc2822(account.updated_at),
        "uri": f"{uri}.json",
        "subresource_uris": {"recordings": f"{uri}/Recordings.json", "keys": f"{uri}/Keys.json"},
    }


def _render_key(key: ApiKey) -> dict[str, Any]:
    return {
        "sid": key.sid,
        "friendly_name": key.friendly_name,
        "date_created": rfc2822(key.created_at),
        "date_updated": rfc2822(key.created_at),
    }
