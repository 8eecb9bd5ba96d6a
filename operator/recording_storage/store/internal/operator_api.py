"""Routes for the operator alone."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from recording_storage.domain.states import Product
from recording_storage.protocol.accounts import (
    Bindings,
    BindNamespace,
    ClaimSettings,
    CommandStatus,
    NewCommand,
    OpenAccount,
    ReplaceCredential,
    SetOwnStorage,
    Uploaders,
)
from recording_storage.protocol.spools import AssignSpool
from recording_storage.store.context import Store
from recording_storage.store.internal import accounts, commands, settings_owner, spools
from recording_storage.store.internal.dependencies import (
    AccountSid,
    CredentialSid,
    NamespaceUid,
    SpoolPath,
    StoreDep,
    get_operator,
)
from recording_storage.store.internal.problems import invalid
from recording_storage.store.internal.wire import answer, answer_with_secrets, read_message

router = APIRouter(prefix="/internal/v1", dependencies=[Depends(get_operator)])

MAX_EXTERNAL_ID = 255
MAX_NAMESPACE = 253
T = TypeVar("T")


@router.put("/accounts:by-external-id/{external_id:path}")
async def open_account(request: Request, store: StoreDep, external_id: Annotated[str, Path()]) -> Response:
    wanted = await read_message(request, OpenAccount)
    if not 0 < len(external_id) <= MAX_EXTERNAL_ID or not external_id.isprintable():
        raise invalid(f"external_id: 1 to {MAX_EXTERNAL_ID} printable characters are needed")
    if "\x00" in wanted.friendly_name:
        raise invalid("friendly_name: a NUL in it")
    opened = await run_in_threadpool(accounts.open_account, store, external_id=external_id, wanted=wanted)
    return answer_with_secrets(opened)


@router.get("/accounts/{account_sid}")
def get_account(store: StoreDep, account_sid: AccountSid) -> Response:
    return answer(_read(store, lambda session: accounts.account_info(session, account_sid)))


@router.delete("/accounts/{account_sid}")
def close_account(store: StoreDep, account_sid: AccountSid) -> Response:
    _write(store, lambda session: accounts.close_account(session, account_sid))
    return Response(status_code=204)


@router.get("/accounts/{account_sid}/bindings")
def list_bindings(store: StoreDep, account_sid: AccountSid) -> Response:
    return answer(Bindings(bindings=_read(store, lambda session: accounts.list_bindings(session, account_sid))))


@router.get("/accounts/{account_sid}/bindings/{namespace_uid}")
def get_binding(store: StoreDep, account_sid: AccountSid, namespace_uid: NamespaceUid) -> Response:
    return answer(_read(store, lambda session: accounts.get_binding(session, account_sid, namespace_uid)))


@router.put("/accounts/{account_sid}/bindings/{namespace_uid}")
async def bind(request: Request, store: StoreDep, account_sid: AccountSid, namespace_uid: NamespaceUid) -> Response:
    wanted = await read_message(request, BindNamespace)
    if not 0 < len(wanted.namespace) <= MAX_NAMESPACE or not wanted.namespace.isprintable():
        raise invalid("namespace: the name of a namespace is needed")
    bound = await run_in_threadpool(
        _write,
        store,
        lambda session: accounts.bind_namespace(session, account_sid, namespace_uid, wanted=wanted),
    )
    return answer(bound)


@router.delete("/accounts/{account_sid}/bindings/{namespace_uid}")
def unbind(store: StoreDep, account_sid: AccountSid, namespace_uid: NamespaceUid) -> Response:
    _write(store, lambda session: accounts.unbind_namespace(session, account_sid, namespace_uid))
    return Response(status_code=204)


@router.get("/accounts/{account_sid}/uploaders")
def list_uploaders(store: StoreDep, account_sid: AccountSid) -> Response:
    found = _read(store, lambda session: settings_owner.list_uploaders(session, account_sid))
    return answer(Uploaders(uploaders=found))


@router.post("/accounts/{account_sid}/commands")
async def add_command(request: Request, store: StoreDep, account_sid: AccountSid) -> Response:
    wanted = await read_message(request, NewCommand)

    def add(session: Session) -> CommandStatus:
        accounts.require_account(session, account_sid)
        return commands.add_command(session, account_sid=account_sid, wanted=wanted)

    return answer(await run_in_threadpool(_write, store, add), status=201)


@router.get("/accounts/{account_sid}/commands/{command_id}")
def get_command(store: StoreDep, account_sid: AccountSid, command_id: str) -> Response:
    return answer(
        _read(store, lambda session: commands.command_status(session, account_sid=account_sid, id_=command_id))
    )


@router.post("/accounts/{account_sid}/credentials/{credential_sid}:replace")
async def replace_credential(
    request: Request, store: StoreDep, account_sid: AccountSid, credential_sid: CredentialSid
) -> Response:
    wanted = await read_message(request, ReplaceCredential)
    await run_in_threadpool(
        _write,
        store,
        lambda session: settings_owner.replace_everywhere(session, account_sid, old=credential_sid, new=wanted.by),
    )
    return Response(status_code=204)


@router.get("/accounts/{account_sid}/settings/{product}")
def get_settings_state(store: StoreDep, account_sid: AccountSid, product: Product) -> Response:
    return answer(_read(store, lambda session: settings_owner.settings_state(session, account_sid, product)))


@router.put("/accounts/{account_sid}/settings/{product}/owner")
async def claim_settings(request: Request, store: StoreDep, account_sid: AccountSid, product: Product) -> Response:
    wanted = await read_message(request, ClaimSettings)
    owner = await run_in_threadpool(
        _write, store, lambda session: settings_owner.claim_settings(session, account_sid, product, wanted=wanted)
    )
    return answer(owner)


@router.delete("/accounts/{account_sid}/settings/{product}/owner")
def release_settings(store: StoreDep, account_sid: AccountSid, product: Product, owner: str | None = None) -> Response:
    _write(store, lambda session: settings_owner.release_settings(session, account_sid, product, owner=owner))
    return Response(status_code=204)


@router.put("/accounts/{account_sid}/settings/{product}/own-storage")
async def set_own_storage(request: Request, store: StoreDep, account_sid: AccountSid, product: Product) -> Response:
    wanted = await read_message(request, SetOwnStorage)
    await run_in_threadpool(
        _write, store, lambda session: settings_owner.set_own_storage(session, account_sid, product, wanted.own_storage)
    )
    return Response(status_code=204)


@router.get("/spools")
def list_spools(store: StoreDep, since: Annotated[int, Query(ge=0)] = 0) -> Response:
    return answer(_read(store, lambda session: spools.list_spools(session, since=since)))


@router.get("/spools/{spool_id}")
def get_spool(store: StoreDep, spool_id: SpoolPath) -> Response:
    return answer(_read(store, lambda session: spools.list_spools(session, spool_id=spool_id)))


@router.put("/spools/{spool_id}")
async def assign_spool(request: Request, store: StoreDep, spool_id: SpoolPath) -> Response:
    wanted = await read_message(request, AssignSpool)
    return answer(
        await run_in_threadpool(_write, store, lambda session: spools.assign(session, spool_id, wanted=wanted))
    )


@router.delete("/spools/{spool_id}")
def remove_spool(store: StoreDep, spool_id: SpoolPath) -> Response:
    _write(store, lambda session: spools.remove(session, spool_id))
    return Response(status_code=204)


def _read(store: Store, action: Callable[[Session], T]) -> T:
    with store.database.read() as session:
        return action(session)


def _write(store: Store, action: Callable[[Session], T]) -> T:
    with store.database.write() as session:
        return action(session)
