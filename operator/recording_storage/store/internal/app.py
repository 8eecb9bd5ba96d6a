"""The internal port's application: the routes of this room, put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from recording_storage import __version__
from recording_storage.store import health
from recording_storage.store.api.limits import AccessLog
from recording_storage.store.context import Store
from recording_storage.store.internal import media_api, operator_api, schemas, uploader_api
from recording_storage.store.internal.identity import Authenticator
from recording_storage.store.internal.kube_identity import TokenReviewer, token_reviewer
from recording_storage.store.internal.media_sweep import keep_swept
from recording_storage.store.internal.problems import install_problem_handlers
from recording_storage.store.internal.wire import check_protocol_header
from recording_storage.store.services.recordings import media_folder


def create_internal_app(store: Store, *, reviewer: TokenReviewer | None = None) -> FastAPI:
    """Make the ASGI application of the internal port.

    Args:
        store: shared with the public port.
        reviewer: tells whose service account token it is; None: the configured cluster.

    """
    authenticator = Authenticator(
        store.database,
        reviewer or token_reviewer(store.config.kubeconfig),
        operator_service_account=store.config.operator_service_account,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(keep_swept(store, app.state.media))
        yield
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        await authenticator.close()

    app = FastAPI(
        title="recording-storage, internal",
        version=__version__,
        openapi_url=None,  # /internal/v1/schemas has the messages
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.store = store
    app.state.authenticator = authenticator
    app.state.media = media_folder(store)
    app.state.stopping = asyncio.Event()
    checked = [Depends(check_protocol_header)]
    app.include_router(schemas.router)
    for room in (uploader_api, media_api, operator_api):
        app.include_router(room.router, dependencies=checked)
    app.include_router(health.router)
    install_problem_handlers(app)
    app.add_middleware(AccessLog, port="internal")
    return app


def release_waiting(app: FastAPI) -> None:
    """Answer all long-polls now, so that the server can end at once; to be called in its event loop."""
    app.state.stopping.set()
