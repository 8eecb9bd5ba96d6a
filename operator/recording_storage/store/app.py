"""The public API: the routes of `api/`, put together."""

from fastapi import FastAPI

from recording_storage import __version__
from recording_storage.store.api import (
    accounts,
    compositions,
    credentials,
    settings,
    video_recordings,
    voice_recordings,
)
from recording_storage.store.api.errors import install_error_handlers
from recording_storage.store.api.limits import AccessLog, BodyLimit
from recording_storage.store.context import Store


def create_public_app(store: Store) -> FastAPI:
    """Make the ASGI application that serves the public port."""
    app = FastAPI(
        title="recording-storage",
        version=__version__,
        openapi_url=None,  # the API is the hosted service's; it is documented there and in docs/
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.store = store
    for room in (settings, credentials, video_recordings, compositions, voice_recordings, accounts):
        app.include_router(room.router)
    install_error_handlers(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(AccessLog, port="public")
    return app
