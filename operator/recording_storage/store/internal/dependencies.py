"""What the routes ask for: the store, the caller, and sids from the path."""

from typing import Annotated

from fastapi import Depends, Path, Request

from recording_storage.store.context import Store
from recording_storage.store.internal.identity import Authenticator, Caller
from recording_storage.store.media import MediaFolder

AccountSid = Annotated[str, Path(pattern=r"^AC[0-9a-f]{32}$")]
RecordingSid = Annotated[str, Path(pattern=r"^R[ET][0-9a-f]{32}$")]
CredentialSid = Annotated[str, Path(pattern=r"^CR[0-9a-f]{32}$")]
SpoolPath = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
NamespaceUid = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$")]


def get_store(request: Request) -> Store:
    store = request.app.state.store
    assert isinstance(store, Store)
    return store


def get_media(request: Request) -> MediaFolder:
    media = request.app.state.media
    assert isinstance(media, MediaFolder)
    return media


async def get_caller(request: Request) -> Caller:
    """The caller. Raises ProblemError (401, 503)."""
    authenticator = request.app.state.authenticator
    assert isinstance(authenticator, Authenticator)
    caller = await authenticator.identify(request.headers.get("Authorization", ""))
    request.state.caller = caller.label
    return caller


async def get_uploader(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
    caller.require_uploader()
    return caller


async def get_operator(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
    caller.require_operator()
    return caller


StoreDep = Annotated[Store, Depends(get_store)]
MediaDep = Annotated[MediaFolder, Depends(get_media)]
UploaderDep = Annotated[Caller, Depends(get_uploader)]
OperatorDep = Annotated[Caller, Depends(get_operator)]
