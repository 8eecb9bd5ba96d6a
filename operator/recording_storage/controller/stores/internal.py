"""The bundled store's internal API, the part of it that is for the operator alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx

from recording_storage.controller.stores.answers import refusal
from recording_storage.controller.stores.call import Answer, call
from recording_storage.controller.stores.errors import StoreUnauthorized, StoreUnavailable, failure_of
from recording_storage.domain.policy import OwnStorage
from recording_storage.domain.states import Product
from recording_storage.domain.system_errors import plain_reason
from recording_storage.protocol.accounts import (
    AccountInfo,
    Binding,
    Bindings,
    BindNamespace,
    ClaimSettings,
    CommandStatus,
    NewCommand,
    OpenAccount,
    OpenedAccount,
    ReplaceCredential,
    SetOwnStorage,
    SettingsState,
    UploaderInfo,
    Uploaders,
)
from recording_storage.protocol.base import PROTOCOL_VERSION, MalformedError, Message, Secret
from recording_storage.protocol.spools import AssignSpool, SpoolInfo, Spools

M = TypeVar("M", bound=Message)
_FORBIDDEN = 403


class InternalStore:
    """Raises the failures of `store_errors`."""

    def __init__(self, client: httpx.AsyncClient, *, url: str, token_file: Path | None) -> None:
        """Take the address.

        Args:
            client: shared; it knows which certificates to trust.
            url: base URL of the internal port.
            token_file: read for every call, since a projected token changes; None: no token (the store will refuse).
        """
        self._client = client
        self._url = url.rstrip("/")
        self._token_file = token_file

    @property
    def url(self) -> str:
        return self._url

    async def open_account(
        self, external_id: str, *, friendly_name: str, known_sid: str | None = None
    ) -> OpenedAccount:
        """The same answer each time.

        What the account's recordings have no settings for keeps out of the store's own storage.

        Args:
            external_id: of whom it is for.
            friendly_name: of an account that is opened now.
            known_sid: the account that was opened before, if any: no other is opened now.

        Raises:
            StoreRefused: the account was closed.
            StoreNotFound: the known one is not there any more.
            StoreFailure: the store could not be asked.
        """
        wanted = OpenAccount(friendly_name=friendly_name, own_storage=OwnStorage.WITHHELD, known_sid=known_sid)
        path = f"/accounts:by-external-id/{quote(external_id, safe='')}"
        return await self._ask("PUT", path, OpenedAccount, body=wanted)

    async def account(self, account_sid: str) -> AccountInfo:
        return await self._ask("GET", f"/accounts/{account_sid}", AccountInfo)

    async def close_account(self, account_sid: str) -> None:
        await self._call("DELETE", f"/accounts/{account_sid}")

    async def bindings(self, account_sid: str) -> tuple[Binding, ...]:
        return tuple((await self._ask("GET", f"/accounts/{account_sid}/bindings", Bindings)).bindings)

    async def bind(self, account_sid: str, namespace_uid: str, wanted: BindNamespace) -> None:
        await self._call("PUT", f"/accounts/{account_sid}/bindings/{namespace_uid}", body=wanted)

    async def unbind(self, account_sid: str, namespace_uid: str) -> None:
        await self._call("DELETE", f"/accounts/{account_sid}/bindings/{namespace_uid}")

    async def uploaders(self, account_sid: str) -> tuple[UploaderInfo, ...]:
        return tuple((await self._ask("GET", f"/accounts/{account_sid}/uploaders", Uploaders)).uploaders)

    async def spools(self, *, since: int = 0) -> Spools:
        """Where spools were found; `since` a revision: those alone that have changed after it."""
        return await self._ask("GET", f"/spools?since={since}", Spools)

    async def assign_spool(self, spool_id: str, wanted: AssignSpool) -> SpoolInfo:
        """StoreNotFound where no uploader has found it; StoreRefused where it is elsewhere, or an account unbound."""
        return await self._ask("PUT", f"/spools/{spool_id}", SpoolInfo, body=wanted)

    async def remove_spool(self, spool_id: str) -> None:
        await self._call("DELETE", f"/spools/{spool_id}")

    async def add_command(self, account_sid: str, wanted: NewCommand) -> CommandStatus:
        """With an id that is known already, that one as it stands."""
        return await self._ask("POST", f"/accounts/{account_sid}/commands", CommandStatus, body=wanted)

    async def command(self, account_sid: str, id_: str) -> CommandStatus:
        return await self._ask("GET", f"/accounts/{account_sid}/commands/{id_}", CommandStatus)

    async def replace_credential(self, account_sid: str, sid: str, *, by: str) -> None:
        """What is reached with `sid` is reached with `by` from now on."""
        path = f"/accounts/{account_sid}/credentials/{sid}:replace"
        await self._call("POST", path, body=ReplaceCredential(by=by))

    async def settings_state(self, account_sid: str, product: Product) -> SettingsState:
        return await self._ask("GET", f"/accounts/{account_sid}/settings/{product}", SettingsState)

    async def claim_settings(self, account_sid: str, product: Product, *, owner: str, label: str) -> None:
        """StoreRefused (409) when somebody else owns them."""
        path = f"/accounts/{account_sid}/settings/{product}/owner"
        await self._call("PUT", path, body=ClaimSettings(owner=owner, label=label))

    async def set_own_storage(self, account_sid: str, product: Product, own_storage: OwnStorage) -> None:
        path = f"/accounts/{account_sid}/settings/{product}/own-storage"
        await self._call("PUT", path, body=SetOwnStorage(own_storage=own_storage))

    async def release_settings(self, account_sid: str, product: Product, *, owner: str) -> None:
        path = f"/accounts/{account_sid}/settings/{product}/owner?owner={quote(owner, safe='')}"
        await self._call("DELETE", path)

    async def _ask(self, method: str, path: str, model: type[M], *, body: Message | None = None) -> M:
        answer = await self._call(method, path, body=body)
        try:
            return model.from_json(answer.content)
        except MalformedError as error:
            raise StoreUnavailable(f"{self._url} answers, but not as the internal API does") from error

    async def _call(self, method: str, path: str, *, body: Message | None = None) -> Answer:
        where = f"the settings store's internal API at {self._url}"
        headers = {"Recording-Storage-Protocol": PROTOCOL_VERSION, "Content-Type": "application/json"}
        secrets = list(_secrets(body))
        if self._token_file is not None:
            secrets.append(token := self._token())
            headers["Authorization"] = f"Bearer {token}"
        content = body.to_json(reveal=True) if body is not None else None
        url = f"{self._url}/internal/v1{path}"
        answer = await call(self._client, method, url, where=where, port="internal", headers=headers, content=content)
        if answer.is_success:
            return answer
        code, message = refusal(answer.content, sent=secrets)
        if answer.status == _FORBIDDEN and code == "forbidden":
            raise StoreUnauthorized(message, status=_FORBIDDEN, code=code)
        raise failure_of(answer.status, where=where, code=code, message=message, retry_after=answer.retry_after)

    def _token(self) -> str:
        assert self._token_file is not None
        try:
            return self._token_file.read_text().strip()
        except OSError as error:
            raise StoreUnauthorized(f"token file {self._token_file}: {plain_reason(error)}") from error


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, Message):
        for name in value.__struct_fields__:
            yield from _secrets(getattr(value, name))
    if isinstance(value, Secret):
        yield value.get_secret_value()
