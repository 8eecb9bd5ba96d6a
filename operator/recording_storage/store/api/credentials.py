"""`/v1/Credentials/AWS` and `/v1/Credentials/PublicKeys`: alike in all but what they are created from."""

from typing import Any

from fastapi import APIRouter, Request, Response

from recording_storage.store.api.auth import CallerDep, StoreDep
from recording_storage.store.api.forms import FormDep, PageDep
from recording_storage.store.api.lists import v1_page
from recording_storage.store.api.times import iso8601
from recording_storage.store.api.urls import absolute
from recording_storage.store.database.models import AwsCredential, PublicKey
from recording_storage.store.errors import invalid
from recording_storage.store.services.credentials import create_credential, delete_credential
from recording_storage.store.services.owned import PATHS, Owned, get_owned, list_owned, rename_owned
from recording_storage.store.services.public_keys import create_public_key, delete_public_key

router = APIRouter()


def _add_common_routes(model: type[Owned]) -> None:
    """List, read and rename."""
    path = PATHS[model]

    @router.get(path)
    def list_all(request: Request, store: StoreDep, caller: CallerDep, page: PageDep) -> dict[str, Any]:
        rows = list_owned(store, model, account_sid=caller.account_sid, request=page)
        return v1_page(request, rows, key="credentials", render=lambda row: _render(request, row))

    @router.get(path + "/{sid}")
    def get_one(request: Request, store: StoreDep, caller: CallerDep, sid: str) -> dict[str, Any]:
        return _render(request, get_owned(store, model, account_sid=caller.account_sid, sid=sid))

    @router.post(path + "/{sid}")
    def rename(request: Request, store: StoreDep, caller: CallerDep, sid: str, form: FormDep) -> dict[str, Any]:
        name = form.get("FriendlyName")
        return _render(request, rename_owned(store, model, account_sid=caller.account_sid, sid=sid, friendly_name=name))


_add_common_routes(AwsCredential)
_add_common_routes(PublicKey)


@router.post(PATHS[AwsCredential], status_code=201)
def create_aws(request: Request, store: StoreDep, caller: CallerDep, form: FormDep) -> dict[str, Any]:
    if "Credentials" not in form:
        raise invalid("Credentials is required: ACCESS_KEY_ID:SECRET_ACCESS_KEY")
    if temporary := {"Expiration", "SessionToken"} & form.keys():
        raise invalid(f"{min(temporary)}: temporary key pairs are not kept here; give one that stays valid")
    name = form.get("FriendlyName", "")
    row = create_credential(store, account_sid=caller.account_sid, credentials=form["Credentials"], friendly_name=name)
    return _render(request, row)


@router.delete(PATHS[AwsCredential] + "/{sid}", status_code=204)
def delete_aws(store: StoreDep, caller: CallerDep, sid: str) -> Response:
    delete_credential(store, account_sid=caller.account_sid, sid=sid)
    return Response(status_code=204)


@router.post(PATHS[PublicKey], status_code=201)
def create_key(request: Request, store: StoreDep, caller: CallerDep, form: FormDep) -> dict[str, Any]:
    if "PublicKey" not in form:
        raise invalid("PublicKey is required: a PEM public key")
    name = form.get("FriendlyName", "")
    row = create_public_key(store, account_sid=caller.account_sid, public_key=form["PublicKey"], friendly_name=name)
    return _render(request, row)


@router.delete(PATHS[PublicKey] + "/{sid}", status_code=204)
def delete_key(store: StoreDep, caller: CallerDep, sid: str) -> Response:
    delete_public_key(store, account_sid=caller.account_sid, sid=sid)
    return Response(status_code=204)


def _render(request: Request, row: AwsCredential | PublicKey) -> dict[str, Any]:
    return {
        "sid": row.sid,
        "account_sid": row.account_sid,
        "friendly_name": row.friendly_name,
        "date_created": iso8601(row.created_at),
        "date_updated": iso8601(row.updated_at),
        "url": absolute(request, f"{PATHS[type(row)]}/{row.sid}"),
    }
