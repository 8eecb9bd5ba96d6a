"""What the uploader knows of accounts: where their recordings go, under which policy, with which credential."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from recording_storage.domain.bucket_url import Addressing, BucketLocation
from recording_storage.domain.policy import DEFAULT_RETRY_WINDOW, FatalErrorPolicy, UploadPolicy
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
    encryption: Mapping[str, str] | None = None
    """scheme, public_key_sid, public_key; None: objects are stored in clear."""
    proven: bool = False
    credential: Credential | None = field(default=None, repr=False)
    credential_sid: str = ""

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


class PlanBook:
    """The plans in force. Thread-safe; replaced as a whole."""

    def __init__(self, *, account_sid: str = "") -> None:
        """Take the account of recordings that name none; empty: the only one that there is a plan for."""
        self._lock = threading.Lock()
        self._account_sid = account_sid
        self._plans: Mapping[str, Plan] = {}
        self._everybody: Plan | None = None
        self._remembered: dict[tuple[str, str], DestinationTerms] = {}
        self.live = False
        """The plans come from their source, with credentials; not from the journal."""

    def replace(self, plans: Mapping[str, Plan], *, everybody: Plan | None = None, live: bool = True) -> None:
        """Put other plans in force; `everybody` is that of accounts that are not among them."""
        with self._lock:
            self.live = live
            self._plans = dict(plans)
            self._everybody = everybody
            for plan in plans.values():
                for terms in plan.destinations.values():
                    self._remembered[plan.account_sid, terms.id] = replace(terms, credential=None)

    def remember(self, account_sid: str, terms: Iterable[DestinationTerms]) -> None:
        """Destinations that recordings are pinned to, from the journal."""
        with self._lock:
            for one in terms:
                self._remembered.setdefault((account_sid, one.id), one)

    def default_account(self) -> str:
        """Of recordings that name none; empty: can't be told."""
        if self._account_sid:
            return self._account_sid
        plans = self._plans
        return next(iter(plans)) if len(plans) == 1 else ""

    def plan(self, account_sid: str) -> Plan | None:
        with self._lock:
            return self._plans.get(account_sid) or (self._everybody if account_sid else None)

    @property
    def everybody(self) -> Plan | None:
        """The plan of accounts that have none of their own."""
        return self._everybody

    def product(self, account_sid: str, product: Product) -> ProductTerms | None:
        plan = self.plan(account_sid)
        return plan.products.get(product) if plan is not None else None

    def policy(self, account_sid: str, product: Product) -> UploadPolicy:
        terms = self.product(account_sid, product)
        return terms.policy if terms is not None else UploadPolicy()

    def terms(self, account_sid: str, destination_id: str) -> DestinationTerms | None:
        """The destination, with a credential only where the plan in force has one."""
        plan = self.plan(account_sid)
        if plan is not None and (terms := plan.destinations.get(destination_id)) is not None:
            return terms
        with self._lock:
            terms = self._remembered.get((account_sid, destination_id))
        if terms is not None and plan is not None and plan is self._everybody:
            return _with_credential_of(terms, plan)
        return terms

    def revisions(self) -> dict[str, int]:
        return {account: plan.revision for account, plan in self._plans.items()}

    def credentials_in_use(self) -> list[str]:
        found = {
            terms.credential_sid
            for plan in self._plans.values()
            for terms in plan.destinations.values()
            if terms.credential_sid
        }
        return sorted(found)

    def all(self) -> list[Plan]:
        with self._lock:
            return [*self._plans.values(), *([self._everybody] if self._everybody else [])]
