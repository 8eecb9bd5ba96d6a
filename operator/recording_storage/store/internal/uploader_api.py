"""Routes for uploaders; the media's are in `media_api`."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from recording_storage.protocol.sync import SyncRequest
from recording_storage.store.internal.batch import Batch, read_batch, take_batch
from recording_storage.store.internal.dependencies import SpoolPath, StoreDep, UploaderDep, get_caller
from recording_storage.store.internal.exchange import exchange
from recording_storage.store.internal.problems import invalid
from recording_storage.store.internal.wire import (
    MAX_REPORT,
    answer,
    answer_with_secrets,
    read_body,
    read_message,
    require_protocol,
)

router = APIRouter(prefix="/internal/v1")


@router.post("/uploaders/{spool_id}/sync")
async def sync(request: Request, store: StoreDep, caller: UploaderDep, spool_id: SpoolPath) -> Response:
    wanted = await read_message(request, SyncRequest, limit=MAX_REPORT)
    require_protocol(wanted.protocol)
    news = await exchange(store, caller, request=request, spool_id=spool_id, sync=wanted)
    if (news.plans or news.commands) and (await get_caller(request)) != caller:
        # The answer may come a minute after the question: the token has to be good still.
        raise invalid("the caller has become another one while it waited; ask again")
    return answer_with_secrets(news)


@router.post("/uploaders/{spool_id}/recordings:batch")
async def spool_batch(request: Request, store: StoreDep, caller: UploaderDep, spool_id: SpoolPath) -> Response:
    batch = await _batch(request)
    if batch.spool_id != spool_id:
        raise invalid("spool_id is not that of the path")
    return answer(await run_in_threadpool(take_batch, store, caller, batch))


@router.post("/recordings:batch")
async def any_batch(request: Request, store: StoreDep, caller: UploaderDep) -> Response:
    return answer(await run_in_threadpool(take_batch, store, caller, await _batch(request)))


async def _batch(request: Request) -> Batch:
    body = await read_body(request)
    return await run_in_threadpool(read_batch, body)
