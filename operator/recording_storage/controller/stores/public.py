"""The settings store's public API, for one account; the bundled store and the hosted service alike."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from recording_storage.controller.stores.answers import (
    AccountSettings,
    AnswerError,
    StoredItem,
    read_document,
    read_item,
    read_page,
    read_settings,
    read_sid,
    refusal,
)
from recording_storage.controller.stores.call import LONGEST, Answer, call
from recording_storage.controller.stores.errors import StoreNotFound, StoreUnavailable, failure_of
from recording_storage.controller.stores.recent_writes import Account, RecentWrites
from recording_storage.domain.sids import SidPrefix, is_sid
from recording_storage.domain.states import Product

SETTINGS_PATH = {
    Product.VIDEO: "/v1/RecordingSettings/Default",
    Product.VOICE: "/v1/VoiceRecordingSettings/Default",
}
AWS_PATH = "/v1/Credentials/AWS"
PUBLIC_KEYS_PATH = "/v1/Credentials/PublicKeys"
_PAGE_SIZE = 100
_MAX_PAGES = 200
LISTED_WITHIN = 60.0
"""Seconds for all pages of a list: a store that is just not too slow for each of them would hold a worker for hours."""
_VERIFYING = httpx.Timeout(90.0, connect=10.0)
"""A POST of settings tries the bucket before it answers."""
_LOOK_AGAIN = 15.0  # seconds until it is looked whether a store shows what it may have made
_VERIFIED_WITHIN = 120.0  # seconds
_SECRET = {"Credentials"}
"""Fields of our forms that hold a secret."""
T = TypeVar("T")


@dataclass(frozen=True)
class ApiKey:
    """What opens an account: an API key, or the account's own sid and auth token."""

    sid: str
    secret: str = field(repr=False)

    @property
    def is_auth_token(self) -> bool:
        return is_sid(self.sid, SidPrefix.ACCOUNT)


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Base URLs; the bundled store has one for all."""

    video: str
    accounts: str
    api: str


class PublicStore:
    """One account's view of the store. Raises the failures of `store_errors`."""

    def __init__(
        self, client: httpx.AsyncClient, *, endpoints: Endpoints, key: ApiKey, account: str, recent: RecentWrites
    ) -> None:
        """Take the way to it.

        Args:
            client: shared.
            endpoints: of the three APIs.
            key: opens the account.
            account: its sid.
            recent: what this process has written lately, which the store may not show yet.
        """
        self._account = Account(astuple(endpoints), account)
        self._recent = recent
        self._client = client
        self._endpoints = endpoints
        self._key = key
        self._auth = httpx.BasicAuth(key.sid, key.secret)

    async def settings(self, product: Product) -> AccountSettings:
        found = await self._ask("GET", self._endpoints.video + SETTINGS_PATH[product], read_settings)
        return replace(found, values=self._recent.settings(self._account, product, found.values))

    async def set_settings(self, product: Product, params: Mapping[str, str]) -> None:
        """One POST, one revision. The store tries the bucket first; a refusal changes nothing."""
        url = self._endpoints.video + SETTINGS_PATH[product]
        answer = await self._ask("POST", url, read_settings, form=params, timeout=_VERIFYING, longest=_VERIFIED_WITHIN)
        self._recent.posted(self._account, product, answer.values)

    async def aws_credentials(self) -> tuple[StoredItem, ...]:
        return await self._list(AWS_PATH)

    async def create_aws_credential(self, *, friendly_name: str, access_key_id: str, secret_access_key: str) -> str:
        """Gives the sid."""
        form = {"Credentials": f"{access_key_id}:{secret_access_key}", "FriendlyName": friendly_name}
        return await self._create(AWS_PATH, form)

    async def public_keys(self) -> tuple[StoredItem, ...]:
        return await self._list(PUBLIC_KEYS_PATH)

    async def create_public_key(self, *, friendly_name: str, pem: str) -> str:
        """Gives the sid."""
        form = {"PublicKey": pem, "FriendlyName": friendly_name}
        return await self._create(PUBLIC_KEYS_PATH, form)

    async def item(self, collection: str, sid: str) -> StoredItem | None:
        """One of a collection; None when it isn't there."""
        try:
            found = await self._ask("GET", f"{self._endpoints.accounts}{collection}/{sid}", read_item)
        except StoreNotFound:
            return None
        known = self._recent.items(self._account, collection, [found])
        return next((item for item in known if item.sid == sid), None)

    def unshown(self, collection: str, *, tag: str) -> float:
        """Seconds until the store has shown all of it that may have been made for the resource of that tag."""
        return self._recent.unshown(self._account, collection, tag=tag)

    async def rename(self, collection: str, sid: str, *, friendly_name: str) -> None:
        url = f"{self._endpoints.accounts}{collection}/{sid}"
        await self._ask("POST", url, read_sid, form={"FriendlyName": friendly_name})
        self._recent.created(self._account, collection, StoredItem(sid, friendly_name))

    async def delete(self, collection: str, sid: str) -> None:
        try:
            await self._call("DELETE", f"{self._endpoints.accounts}{collection}/{sid}")
        except StoreNotFound:
            self._recent.deleted(self._account, collection, sid)
            raise
        self._recent.deleted(self._account, collection, sid)

    async def _create(self, collection: str, form: Mapping[str, str]) -> str:
        name = form["FriendlyName"]
        if wait := self._recent.wait(self._account, collection, name):
            url = self._endpoints.accounts + collection
            message = f"{_where(url)} has not answered whether it has made {name}: it is given time to show that"
            raise StoreUnavailable(message, retry_after=min(wait, _LOOK_AGAIN))
        try:
            sid = await self._ask("POST", self._endpoints.accounts + collection, read_sid, form=form)
        except StoreUnavailable as error:
            if error.uncertain:
                self._recent.lost(self._account, collection, name)
            raise
        self._recent.created(self._account, collection, StoredItem(sid, name))
        return sid

    async def _list(self, collection: str) -> tuple[StoredItem, ...]:
        try:
            async with asyncio.timeout(LISTED_WITHIN):
                listed = [item async for item in self._items(collection)]
        except TimeoutError as error:
            url = self._endpoints.accounts + collection
            raise StoreUnavailable(f"{url} has not been listed within {LISTED_WITHIN:.0f} s") from error
        return self._recent.items(self._account, collection, listed)

    async def _items(self, collection: str) -> AsyncIterator[StoredItem]:
        base = self._endpoints.accounts
        read = partial(read_page, collection=collection, most=_PAGE_SIZE)
        target = f"{collection}?PageSize={_PAGE_SIZE}"
        for _ in range(_MAX_PAGES):
            page = await self._ask("GET", base + target, read)
            for item in page.items:
                yield item
            if not page.following:
                return
            target = f"{collection}?{page.following}"
        raise StoreUnavailable(f"{base}{collection} has more than {_MAX_PAGES} pages")

    async def _ask(self, method: str, url: str, read: Callable[[Mapping[str, Any]], T], **options: Any) -> T:
        answer = await self._call(method, url, **options)
        try:
            return read(read_document(answer.content))
        except AnswerError as error:
            message = f"{_where(url)} answers {method} {urlsplit(url).path}, but not as a settings store does"
            raise StoreUnavailable(f"{message}: {error}", uncertain=method != "GET") from error

    async def _call(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        timeout: httpx.Timeout | httpx._client.UseClientDefault = httpx.USE_CLIENT_DEFAULT,  # noqa: ASYNC109
        longest: float = LONGEST,
    ) -> Answer:
        where = _where(url)
        answer = await call(
            self._client,
            method,
            url,
            where=where,
            port="public",
            longest=longest,
            data=form,
            auth=self._auth,
            timeout=timeout,
        )
        if not answer.is_success:
            secrets = [
                f"{self._key.sid}:{self._key.secret}",
                *(value for name, value in (form or {}).items() if name in _SECRET),
            ]
            code, message = refusal(answer.content, sent=secrets)
            raise failure_of(answer.status, where=where, code=code, message=message, retry_after=answer.retry_after)
        return answer


def _where(url: str) -> str:
    parts = urlsplit(url)
    return f"the settings store at {parts.scheme}://{parts.netloc}"
