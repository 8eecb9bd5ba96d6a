"""What the uploader knows of accounts: where their recordings go, under which policy, with which credential."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from recording_storage.domain.policy import UploadPolicy
from recording_storage.s3.types import Credential

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recording_storage.domain.states import Product
    from recording_storage.protocol.plan import AccountPlan, DestinationPlan

LOCAL_ACCOUNT = "AC" + "0" * 32
"""The account of recordings that name none, where an uploader runs alone."""


def s3_credential(plan: DestinationPlan) -> Credential:
    """As the S3 client takes it; it is there and usable."""
    keys = plan.keys
    assert keys is not None
    return Credential(
        keys.access_key_id,
        keys.secret_access_key.get_secret_value(),
        keys.session_token.get_secret_value() if keys.session_token is not None else None,
        keys.expiration.timestamp() if keys.expiration is not None else None,
    )


def without_credentials(plan: AccountPlan) -> AccountPlan:
    """As it may be kept."""
    return plan.replace(destinations={id_: one.replace(credential=None) for id_, one in plan.destinations.items()})


def _with_credential_of(terms: DestinationPlan, plan: AccountPlan) -> DestinationPlan:
    """An earlier destination in a bucket that the configuration still names is reached with its key pair."""
    for one in plan.destinations.values():
        if (one.endpoint, one.bucket) == (terms.endpoint, terms.bucket):
            return terms.replace(credential=one.credential, ca_bundle=one.ca_bundle, region=terms.region or one.region)
    return terms


class Standing(StrEnum):
    """What the plans at hand are worth for recordings that come now."""

    AWAITED = "awaited"
    """Their source has not answered since the start: the journal's may be outdated, nothing is pinned to them."""
    JOURNALLED = "journalled"
    """It has not answered for long: those of the journal serve, until it does."""
    IN_FORCE = "in_force"
    """They come from their source, with credentials."""


_MOVES = {
    Standing.AWAITED: frozenset({Standing.JOURNALLED, Standing.IN_FORCE}),
    Standing.JOURNALLED: frozenset({Standing.IN_FORCE}),
    Standing.IN_FORCE: frozenset({Standing.IN_FORCE}),
}


@dataclass(frozen=True, kw_only=True)
class InForce:
    """The plans of one moment; never changed, so all that is read from it belongs together."""

    standing: Standing = Standing.AWAITED
    plans: Mapping[str, AccountPlan] = field(default_factory=dict)
    """By account."""
    everybody: AccountPlan | None = None
    """Of accounts that are not among them."""
    own_account: str = ""
    """Of recordings that name none; empty: the only one that there is a plan for."""
    assigned: bool = True
    """Somebody has said whose recordings are on the spool."""
    generation: int = 0
    """Grows with each change."""

    @property
    def live(self) -> bool:
        return self.standing is Standing.IN_FORCE

    def plan(self, account_sid: str) -> AccountPlan | None:
        return self.plans.get(account_sid) or (self.everybody if account_sid else None)

    def only_account(self) -> str:
        """Of recordings that name none; empty: can't be told."""
        return self.own_account or (next(iter(self.plans)) if len(self.plans) == 1 else "")


class PlanBook:
    """The plans at hand. Thread-safe: they are replaced as a whole, and `now` reads them as a whole."""

    def __init__(self, *, account_sid: str = "") -> None:
        """Take the account of recordings that name none; empty: the only one that there is a plan for."""
        self._lock = threading.Lock()
        """For whoever changes something, and for `_remembered`."""
        self._now = InForce(own_account=account_sid)
        self._remembered: dict[tuple[str, str], DestinationPlan] = {}

    @property
    def now(self) -> InForce:
        return self._now

    @property
    def live(self) -> bool:
        """The plans come from their source, with credentials; not from the journal."""
        return self._now.live

    def replace(
        self,
        plans: Mapping[str, AccountPlan],
        *,
        everybody: AccountPlan | None = None,
        assigned: bool = True,
        account_sid: str | None = None,
    ) -> None:
        """Put other plans in force.

        Args:
            plans: by account.
            everybody: of accounts that are not among them.
            assigned: somebody has said whose recordings are on the spool.
            account_sid: of recordings that name none; None: as before.
        """
        with self._lock:
            own = self._now.own_account if account_sid is None else account_sid
            self._become(Standing.IN_FORCE, plans=dict(plans), everybody=everybody, assigned=assigned, own_account=own)
            self._remember_all(plans)

    def recall(self, plans: Mapping[str, AccountPlan], *, account_sid: str | None = None) -> None:
        """Know those of the journal: what is pinned to them goes on, and nothing else is, see `serve_journalled`.

        `account_sid` is that of recordings that name none; None: as before.
        """
        with self._lock:
            own = self._now.own_account if account_sid is None else account_sid
            self._now = replace(self._now, plans=dict(plans), own_account=own)
            self._remember_all(plans)

    def serve_journalled(self) -> bool:
        """Have those of the journal serve; False: their source has answered meanwhile, or there are none."""
        with self._lock:
            if self._now.standing is not Standing.AWAITED or not self._now.plans:
                return False
            self._become(Standing.JOURNALLED)
            return True

    def remember(self, account_sid: str, terms: Iterable[DestinationPlan]) -> None:
        """Destinations that recordings are pinned to, from the journal."""
        with self._lock:
            for one in terms:
                self._remembered.setdefault((account_sid, one.id), one)

    def plan(self, account_sid: str) -> AccountPlan | None:
        return self._now.plan(account_sid)

    @property
    def everybody(self) -> AccountPlan | None:
        """The plan of accounts that have none of their own."""
        return self._now.everybody

    def policy(self, account_sid: str, product: Product) -> UploadPolicy:
        plan = self.plan(account_sid)
        return (plan.products.get(product) if plan is not None else None) or UploadPolicy()

    def terms(self, account_sid: str, destination_id: str) -> DestinationPlan | None:
        """The destination, with a credential only where the plan in force has one."""
        now = self._now
        plan = now.plan(account_sid)
        if plan is not None and (terms := plan.destinations.get(destination_id)) is not None:
            return terms
        with self._lock:
            terms = self._remembered.get((account_sid, destination_id))
        if terms is not None and plan is not None and plan is now.everybody:
            return _with_credential_of(terms, plan)
        return terms

    def revisions(self) -> dict[str, int]:
        """Of the plans in force, by account; none while they only come from the journal."""
        now = self._now
        return {account: plan.revision for account, plan in now.plans.items()} if now.live else {}

    def credentials_in_use(self) -> list[str]:
        found = {
            terms.credential.sid
            for plan in self._now.plans.values()
            for terms in plan.destinations.values()
            if terms.credential is not None
        }
        return sorted(found)

    def _become(self, standing: Standing, **changes: Any) -> None:
        now = self._now
        if standing not in _MOVES[now.standing]:
            raise ValueError(f"plans that are {now.standing} can't become {standing}")
        self._now = replace(now, standing=standing, generation=now.generation + 1, **changes)

    def _remember_all(self, plans: Mapping[str, AccountPlan]) -> None:
        for plan in plans.values():
            for terms in without_credentials(plan).destinations.values():
                self._remembered[plan.account_sid, terms.id] = terms
