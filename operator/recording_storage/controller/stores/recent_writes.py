"""What a store has answered to a write is known until it has had time to show it: a list may be late by a minute.

One rule for all: what was created counts as there although a list lacks it, what was deleted counts as gone although a
list has it, settings that were posted count although a GET still gives those from before. Where the answer to a
creation was lost, nothing is created again before the store has had time to show what it may have made; nor does a
deletion count as done before that, or before it has had time to show what the process before this one may have made.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from recording_storage.controller.stores.answers import StoredItem
from recording_storage.controller.stores.naming import belongs
from recording_storage.domain.settings import RecordingSettings as StoreSettings
from recording_storage.domain.states import Product

SHOWN_WITHIN = 120.0
"""Seconds that a store is given to show its own work."""


@dataclass(frozen=True)
class Account:
    """An account at one store. A tenant may name any sid at a store of its own: that is another account."""

    store: tuple[str, ...]
    """Its base URLs."""
    sid: str


@dataclass(frozen=True, kw_only=True)
class _Posted:
    before: tuple[StoreSettings, ...]
    """What a GET may still give."""
    after: StoreSettings
    until: float


class RecentWrites:
    """Of one process, used from one event loop only; by account, and by collection or product."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, shown_within: float = SHOWN_WITHIN) -> None:
        self._shown_within = shown_within
        self._clock = clock
        self._began = clock()
        self._created: dict[tuple[Account, str, str], tuple[StoredItem, float]] = {}
        self._deleted: dict[tuple[Account, str, str], float] = {}
        self._lost: dict[tuple[Account, str, str], float] = {}
        self._posted: dict[tuple[Account, Product], _Posted] = {}
        self._seen: dict[tuple[Account, Product], StoreSettings] = {}

    def created(self, account: Account, collection: str, item: StoredItem) -> None:
        """The store has answered that it has made it, or renamed it so."""
        self._created[account, collection, item.sid] = (item, self._until())

    def deleted(self, account: Account, collection: str, sid: str) -> None:
        """The store has answered that it has deleted it."""
        self._created.pop((account, collection, sid), None)
        self._deleted[account, collection, sid] = self._until()

    def lost(self, account: Account, collection: str, name: str) -> None:
        """The answer to a creation under this name did not come: the store may have made it."""
        self._lost[account, collection, name] = self._until()

    def wait(self, account: Account, collection: str, name: str) -> float:
        """Seconds until something may be created under this name; 0: now."""
        return max(0.0, self._lost.get((account, collection, name), 0.0) - self._clock())

    def unshown(self, account: Account, collection: str, *, tag: str) -> float:
        """Seconds until the store has shown all that may have been made for the resource of that tag."""
        lost = [
            until
            for (of, where, name), until in self._lost.items()
            if (of, where) == (account, collection) and belongs(StoredItem("", name), tag)
        ]
        return max(0.0, max([*lost, self._began + self._shown_within]) - self._clock())

    def items(self, account: Account, collection: str, listed: Iterable[StoredItem]) -> tuple[StoredItem, ...]:
        """A list as it would be if the store were never late, each item once."""
        self._forget()
        found = {item.sid: item for item in listed}
        for (of, where, sid), (item, _) in self._created.items():
            if (of, where) == (account, collection):
                found[sid] = item
        return tuple(item for sid, item in found.items() if (account, collection, sid) not in self._deleted)

    def posted(self, account: Account, product: Product, after: StoreSettings) -> None:
        """The store has answered a POST with these."""
        earlier = self._posted.get((account, product))
        before = (*earlier.before, earlier.after) if earlier is not None else ()
        seen = self._seen.get((account, product))
        before += (seen,) if seen is not None else ()
        self._posted[account, product] = _Posted(before=before, after=after, until=self._until())

    def settings(self, account: Account, product: Product, present: StoreSettings) -> StoreSettings:
        """What a GET gave, as it would be if the store were never late; what it never had before is somebody else's."""
        self._forget()
        posted = self._posted.get((account, product))
        if posted is not None and present != posted.after and present in posted.before:
            return posted.after
        self._seen[account, product] = present
        return present

    def _until(self) -> float:
        return self._clock() + self._shown_within

    def _forget(self) -> None:
        now = self._clock()
        self._created = {key: value for key, value in self._created.items() if value[1] > now}
        self._deleted = {key: until for key, until in self._deleted.items() if until > now}
        self._lost = {key: until for key, until in self._lost.items() if until > now}
        self._posted = {key: value for key, value in self._posted.items() if value.until > now}
