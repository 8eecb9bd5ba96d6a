"""A hosted service in memory that shows its own work late, answers twice, loses answers, is busy, has pages of one."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from recording_storage.controller.stores.public import AWS_PATH, PUBLIC_KEYS_PATH, SETTINGS_PATH
from recording_storage.domain.settings import RecordingSettings as StoreSettings
from recording_storage.domain.states import Product

URL, AC = "https://store.example.com", f"AC{'1' * 32}"
_VIDEO = SETTINGS_PATH[Product.VIDEO]
_NAMED_BY = {
    AWS_PATH: ("aws_storage_enabled", "aws_credentials_sid"),
    PUBLIC_KEYS_PATH: ("encryption_enabled", "encryption_key_sid"),
}


@dataclass
class Shown:
    """An item, and from when to when lists have it."""

    name: str
    since: float
    until: float = float("inf")


@dataclass(frozen=True, kw_only=True)
class Busy:
    """What is answered instead, and nothing is done."""

    status: int = 429
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class LateStore:
    clock: Callable[[], float]
    lag: float
    """Seconds until what was done is shown."""
    twice: bool = False
    """Lists have each item twice."""
    lose: bool = False
    """The next write is done and not answered."""
    busy: deque[Busy] = field(default_factory=deque)
    items: dict[str, dict[str, Shown]] = field(default_factory=lambda: {AWS_PATH: {}, PUBLIC_KEYS_PATH: {}})
    settings: list[tuple[float, StoreSettings]] = field(default_factory=lambda: [(0.0, StoreSettings())])
    """From when each is shown; the last are in force."""
    writes: list[str] = field(default_factory=list)
    """All that was done."""
    wrongs: list[str] = field(default_factory=list)
    """What nobody may ask for."""
    made: int = 0

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.busy:
            busy = self.busy.popleft()
            body = {"code": 20429, "message": "too many requests"}
            return _response(busy.status, body, headers=busy.headers)
        parts = urlsplit(str(request.url))
        form = dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        if request.method != "GET":
            self.writes.append(f"{request.method} {parts.path}")
        if parts.path == _VIDEO:
            status, body = self._settings(form if request.method == "POST" else None)
        else:
            collection = next(each for each in self.items if parts.path.startswith(each))
            sid = parts.path.removeprefix(collection).strip("/")
            status, body = self._item(request.method, collection, sid, query=parts.query, form=form)
        if request.method != "GET" and self.lose:
            self.lose = False
            raise httpx.ReadError("the connection is gone")
        return _response(status, body)

    def present(self, collection: str) -> dict[str, str]:
        """Names by sid, whatever is shown."""
        return {sid: item.name for sid, item in self.items[collection].items() if item.until == float("inf")}

    @property
    def in_force(self) -> StoreSettings:
        return self.settings[-1][1]

    def _settings(self, form: Mapping[str, str] | None) -> tuple[int, Any]:
        if form is None:
            shown = [values for since, values in self.settings if since <= self.clock()][-1]
        else:
            shown = self.in_force.updated(form)
            self.settings.append((self.clock() + self.lag, shown))
            self._check("POST settings")
        return 200, {"account_sid": AC, **shown.to_values()}

    def _item(self, method: str, collection: str, sid: str, *, query: str, form: Mapping[str, str]) -> tuple[int, Any]:
        items = self.items[collection]
        if method == "GET" and not sid:
            return 200, self._page(collection, int(dict(parse_qsl(query)).get("Page", "0")))
        if method == "POST" and not sid:
            self.made += 1
            sid = f"CR{self.made:032x}"
            items[sid] = Shown(form["FriendlyName"], self.clock() + self.lag)
        found = items.get(sid)
        if found is None or found.until < float("inf"):
            return 404, {"code": 20404, "message": "not found"}
        if method == "DELETE":
            found.until = self.clock() + self.lag
            self._check(f"DELETE {sid}")
            return 200, {}
        if method == "POST":
            found.name = form["FriendlyName"]
        return 200, {"sid": sid, "friendly_name": found.name}

    def _page(self, collection: str, number: int) -> dict[str, Any]:
        """One item each."""
        now, items = self.clock(), self.items[collection]
        listed = [sid for sid, item in items.items() if item.since <= now < item.until]
        listed = [each for each in listed for _ in range(1 + self.twice)]
        more = f"{URL}{collection}?Page={number + 1}" if number + 1 < len(listed) else None
        found = [{"sid": sid, "friendly_name": items[sid].name} for sid in listed[number : number + 1]]
        return {"meta": {"key": "credentials", "next_page_url": more}, "credentials": found}

    def _check(self, what: str) -> None:
        """What is in force has to be there."""
        for collection, (flag, name) in _NAMED_BY.items():
            if getattr(self.in_force, flag) and getattr(self.in_force, name) not in self.present(collection):
                self.wrongs.append(f"after {what} the settings name {getattr(self.in_force, name)}, which is not there")


def _response(status: int, body: Any, *, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(json.dumps(body).encode()))
