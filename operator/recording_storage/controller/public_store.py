"""The settings store's public API, for one account; the bundled store and the hosted service alike."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from recording_storage.controller import metrics
from recording_storage.controller.store_errors import StoreUnavailable, failure_of, unreachable
from recording_storage.domain.states import Product

SETTINGS_PATH = {
    Product.VIDEO: "/v1/RecordingSettings/Default",
    Product.VOICE: "/v1/VoiceRecordingSettings/Default",
}
AWS_PATH = "/v1/Credentials/AWS"
PUBLIC_KEYS_PATH = "/v1/Credentials/PublicKeys"
_PAGE_SIZE = "100"
_MAX_PAGES = 1000
_VERIFYING = httpx.Timeout(90.0, connect=10.0)
"""A POST of settings tries the bucket before it answers."""


@dataclass(frozen=True)
class ApiKey:
    sid: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Base URLs; the bundled store has one for all."""

    video: str
    accounts: str
    api: str


@dataclass(frozen=True)
class StoredItem:
    """A credential or a public key, as the store lists it."""

    sid: str
    friendly_name: str


class PublicStore:
    """One account's view of the store. Raises the failures of `store_errors`."""

    def __init__(self, client: httpx.AsyncClient, *, endpoints: Endpoints, key: ApiKey) -> None:
        self._client = client
        self._endpoints = endpoints
        self._auth = httpx.BasicAuth(key.sid, key.secret)

    async def settings(self, product: Product) -> dict[str, Any]:
        return await self._call("GET", self._endpoints.video + SETTINGS_PATH[product])

    async def set_settings(self, product: Product, params: Mapping[str, str]) -> dict[str, Any]:
        """One POST, one revision. The store tries the bucket first; a refusal changes nothing."""
        return await self._call("POST", self._endpoints.video + SETTINGS_PATH[product], form=params, timeout=_VERIFYING)

    async def aws_credentials(self) -> tuple[StoredItem, ...]:
        return tuple([item async for item in self._items(AWS_PATH)])

    async def create_aws_credential(self, *, friendly_name: str, access_key_id: str, secret_access_key: str) -> str:
        """Gives the sid."""
        form = {"Credentials": f"{access_key_id}:{secret_access_key}", "FriendlyName": friendly_name}
        return str((await self._call("POST", self._endpoints.accounts + AWS_PATH, form=form))["sid"])

    async def public_keys(self) -> tuple[StoredItem, ...]:
        return tuple([item async for item in self._items(PUBLIC_KEYS_PATH)])

    async def create_public_key(self, *, friendly_name: str, pem: str) -> str:
        """Gives the sid."""
        form = {"PublicKey": pem, "FriendlyName": friendly_name}
        return str((await self._call("POST", self._endpoints.accounts + PUBLIC_KEYS_PATH, form=form))["sid"])

    async def rename(self, collection: str, sid: str, *, friendly_name: str) -> None:
        url = f"{self._endpoints.accounts}{collection}/{sid}"
        await self._call("POST", url, form={"FriendlyName": friendly_name})

    async def delete(self, collection: str, sid: str) -> None:
        await self._call("DELETE", f"{self._endpoints.accounts}{collection}/{sid}")

    async def _items(self, collection: str) -> AsyncIterator[StoredItem]:
        base = self._endpoints.accounts
        target = f"{collection}?PageSize={_PAGE_SIZE}"
        for _ in range(_MAX_PAGES):
            page = await self._call("GET", base + target)
            meta = page["meta"]
            for item in page[meta["key"]]:
                yield StoredItem(sid=item["sid"], friendly_name=item["friendly_name"] or "")
            following = meta.get("next_page_url")
            if not following:
                return
            parts = urlsplit(following)  # the path only: a store behind a proxy may not know its own host
            target = f"{parts.path}?{parts.query}"
        raise StoreUnavailable(f"{base}{collection} has more than {_MAX_PAGES} pages")

    async def _call(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        timeout: httpx.Timeout | httpx._client.UseClientDefault = httpx.USE_CLIENT_DEFAULT,  # noqa: ASYNC109
    ) -> dict[str, Any]:
        where = f"the settings store at {_origin(url)}"
        try:
            response = await self._client.request(method, url, data=form, auth=self._auth, timeout=timeout)
        except httpx.HTTPError as error:
            metrics.STORE_REQUESTS.labels(port="public", outcome="unreachable").inc()
            raise unreachable(error, where=where) from error
        metrics.STORE_REQUESTS.labels(port="public", outcome=f"{response.status_code // 100}xx").inc()
        body = _json(response)
        if not response.is_success:
            code, message = str(body.get("code", "")), str(body.get("message", ""))
            raise failure_of(response, where=where, code=code, message=message)
        return body


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _json(response: httpx.Response) -> dict[str, Any]:
    if not response.content:
        return {}
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    if response.is_success:
        raise StoreUnavailable(f"{_origin(str(response.url))} answers, but not as a settings store does")
    return {}
