"""What is seen of an account's settings at the store, and what can be done about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recording_storage.controller.core.verdicts import Verdict
from recording_storage.controller.kinds.recording_settings.desired import References
from recording_storage.domain.policy import OwnStorage
from recording_storage.domain.settings import RecordingSettings as StoreSettings
from recording_storage.domain.states import Product


@dataclass(frozen=True, kw_only=True)
class View:
    """One product's settings at the store."""

    settings: StoreSettings
    revision: int | None = None
    owner: str = ""
    owner_label: str = ""
    verified_at: datetime | None = None
    own_storage: OwnStorage | None = None
    """None where it can't be known: recordings go there while external storage is off."""

    @property
    def waits(self) -> bool:
        """Nothing says where the product's recordings go: they stay on their spools."""
        return not self.settings.aws_storage_enabled and self.own_storage is OwnStorage.WITHHELD


@dataclass(frozen=True, kw_only=True)
class Observed:
    account_sid: str = ""
    hosted: bool = False
    views: Mapping[Product, View] = field(default_factory=dict)
    refs: References = field(default_factory=References)
    rotating_from: str = ""
    """The credential that stays in force if its successor, `refs.credential_sid`, is refused."""
    applied: tuple[int | None, ...] | None = None
    """Of each live uploader of the account, the revision that it runs; None where that can't be known."""
    waiting: Mapping[Product, int] = field(default_factory=dict)
    """Recordings on the spools of live uploaders that wait for settings."""
    rival: str = ""
    """At a hosted service, which knows no owners: another RecordingSettings that was there first."""
    failure: Verdict | None = None
    """Why references or store could not be looked at."""
    refs_resolved: bool = True
    posted: frozenset[Product] = frozenset()
    """Settings that were set in this very look."""
    gone: bool = False
    """The account does not exist any more."""


@dataclass(frozen=True)
class Claim:
    product: Product
    owner: str


@dataclass(frozen=True)
class Release:
    product: Product
    owner: str


@dataclass(frozen=True)
class SetOwnStorage:
    product: Product
    own_storage: OwnStorage


@dataclass(frozen=True)
class Post:
    """Each product by itself: what one is refused for must not keep the other from what it needs."""

    products: tuple[Product, ...]
    form: Mapping[str, str]
    rotating_from: str = ""
    """If the credential in the form is refused, the rest is to be set with this one."""
    waits: str = ""
    """What waits until they are in force, in a sentence, …"""
    waiting: tuple[Mapping[str, Any], ...] = ()
    """… and for the status; told if they are refused."""


Action = Claim | Release | SetOwnStorage | Post
