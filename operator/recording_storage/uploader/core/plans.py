"""What the uploader knows of accounts: where their recordings go, under which policy, with which credential."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from recording_storage.domain.bucket_url import Addressing, BucketLocation
from recording_storage.domain.policy import (
    DEFAULT_DENIAL_GRACE,
    DEFAULT_RETRY_WINDOW,
    FatalErrorPolicy,
    ObjectMetadata,
    UploadPolicy,
)
from recording_storage.domain.states import Product
from recording_storage.s3.types import Credential, Destination

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOCAL_ACCOUNT = "AC" + "0" * 32
"""The account of recordings that name none, where an uploader runs alone."""


@dataclass(frozen=True, kw_only=True)
class DestinationTerms:
    """Where objects go and how they are stored there. Immutable under its id, but for credential and options."""

    id: str
    endpoint: str
    bucket: str
    prefix: str = ""
    region: str = ""
    addressing: str = Addressing.PATH.value
    allow_http: bool = False
    allow_private: bool = False
    key_template: str = "{recording_sid}{ext}"
    ca_bundle: str = ""
    expected_bucket_owner: str = ""
    storage_class: str = ""
    server_side_encryption: str = "None"
    kms_key_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    object_metadata: str = ObjectMetadata.SIDS.value
    encryption: Mapping[str, str] | None = None
    """scheme, public_key_sid, public_key; None: objects are stored in clear."""
    trust_unverified: bool = False
    """Used although it vouches for nothing."""
    proven: bool = False
    credential: Credential | None = field(default=None, repr=False)
    credential_sid: str = ""
    credential_type: str = ""
    """Of a credential that is there and that this version can't use; else empty."""

    @property
    def location(self) -> BucketLocation:
        return BucketLocation(
            endpoint=self.endpoint,
            bucket=self.bucket,
            prefix=self.prefix,
            region=self.region,
            style=Addressing(self.addressing),
            allow_http=self.allow_http,
        )

    def destination(self) -> Destination:
        """As the S3 client takes it."""
        return Destination(
            self.location,
            ca_bundle=self.ca_bundle or None,
            expected_bucket_owner=self.expected_bucket_owner,
            storage_class=self.storage_class,
            sse=self.server_side_encryption,
            kms_key_id=self.kms_key_id,
            tags=dict(self.tags),
            trust_unverified=self.trust_unverified,
        )

    def to_json(self) -> str:
        """Everything but the credential."""
        document = asdict(replace(self, credential=None))
        del document["credential"]
        return json.dumps(document, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> DestinationTerms:
        """Fields that a newer version wrote are left alone."""
        known = {name: value for name, value in json.loads(text).items() if name in cls.__dataclass_fields__}
        return cls(**known)


@dataclass(frozen=True, kw_only=True)
class ProductTerms:
    """What happens to a new recording of a product."""

    destination_id: str | None = None
    """None: the store's own media storage."""
    policy: UploadPolicy = field(default_factory=UploadPolicy)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One account's."""

    account_sid: str
    revision: int
    products: Mapping[Product, ProductTerms]
    destinations: Mapping[str, DestinationTerms]

    def to_json(self) -> str:
        """Without secrets."""
        products = {
            product.value: {
                "destination_id": terms.destination_id,
                "retry_window": terms.policy.retry_window,
                "fatal_error_policy": terms.policy.fatal_error_policy.value,
                "denial_grace": terms.policy.denial_grace,
            }
            for product, terms in self.products.items()
        }
        destinations = {key: json.loads(terms.to_json()) for key, terms in self.destinations.items()}
        return json.dumps({"products": products, "destinations": destinations}, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, account_sid: str, revision: int, text: str) -> Plan:
        document: dict[str, Any] = json.loads(text)
        return cls(
            account_sid=account_sid,
            revision=revision,
            products={
                Product(name): ProductTerms(
                    destination_id=terms["destination_id"],
                    policy=UploadPolicy(
                        retry_window=terms.get("retry_window", DEFAULT_RETRY_WINDOW),
                        fatal_error_policy=FatalErrorPolicy(terms.get("fatal_error_policy", "Retain")),
                        denial_grace=terms.get("denial_grace", DEFAULT_DENIAL_GRACE),
                    ),
                )
                for name, terms in document["products"].items()
            },
            destinations={
                key: DestinationTerms.from_json(json.dumps(terms)) for key, terms in document["destinations"].items()
            },
        )


def _with_credential_of(terms: DestinationTerms, plan: Plan) -> DestinationTerms:
    """An earlier destination in a bucket that the configuration still names is reached with its key pair."""
    for one in plan.destinations.values():
        if (one.endpoint, one.bucket) == (terms.endpoint, terms.bucket):
            return replace(
                terms,
                credential=one.credential,
                credential_sid=one.credential_sid,
                ca_bundle=one.ca_bundle,
                region=terms.region or one.region,
            )
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
    plans: Mapping[str, Plan] = field(default_factory=dict)
    """By account."""
    everybody: Plan | None = None
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

    def plan(self, account_sid: str) -> Plan | None:
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
        self._remembered: dict[tuple[str, str], DestinationTerms] = {}

    @property
    def now(self) -> InForce:
        return self._now

    @property
    def live(self) -> bool:
        """The plans come from their source, with credentials; not from the journal."""
        return self._now.live

    def replace(
        self,
        plans: Mapping[str, Plan],
        *,
        everybody: Plan | None = None,
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

    def recall(self, plans: Mapping[str, Plan], *, account_sid: str | None = None) -> None:
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

    def remember(self, account_sid: str, terms: Iterable[DestinationTerms]) -> None:
        """Destinations that recordings are pinned to, from the journal."""
        with self._lock:
            for one in terms:
                self._remembered.setdefault((account_sid, one.id), one)

    def plan(self, account_sid: str) -> Plan | None:
        return self._now.plan(account_sid)

    @property
    def everybody(self) -> Plan | None:
        """The plan of accounts that have none of their own."""
        return self._now.everybody

    def policy(self, account_sid: str, product: Product) -> UploadPolicy:
        plan = self.plan(account_sid)
        terms = plan.products.get(product) if plan is not None else None
        return terms.policy if terms is not None else UploadPolicy()

    def terms(self, account_sid: str, destination_id: str) -> DestinationTerms | None:
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
            terms.credential_sid
            for plan in self._now.plans.values()
            for terms in plan.destinations.values()
            if terms.credential_sid
        }
        return sorted(found)

    def _become(self, standing: Standing, **changes: Any) -> None:
        now = self._now
        if standing not in _MOVES[now.standing]:
            raise ValueError(f"plans that are {now.standing} can't become {standing}")
        self._now = replace(now, standing=standing, generation=now.generation + 1, **changes)

    def _remember_all(self, plans: Mapping[str, Plan]) -> None:
        for plan in plans.values():
            for terms in plan.destinations.values():
                self._remembered[plan.account_sid, terms.id] = replace(terms, credential=None)
