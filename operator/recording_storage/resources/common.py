"""What the kinds share: references, conditions, metadata, and the base classes of spec and status."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel, to_snake
from pydantic_core import PydanticCustomError, core_schema

from recording_storage.domain.conditions import Truth
from recording_storage.resources.rules import JsonObject, immutable, rules, union

API_VERSION: Final = "recordingstorage.dev/v1alpha1"
GROUP, _, VERSION = API_VERSION.partition("/")

RECONCILE_ANNOTATION = f"{GROUP}/reconcile-requested-at"
FLUX_RECONCILE_ANNOTATION = "reconcile.fluxcd.io/requestedAt"
RETRY_ALL_ANNOTATION = f"{GROUP}/retry-requested-at"
RETRY_ONE_ANNOTATION = f"{GROUP}/retry-recording"

MAX_REQUEST = 253
"""Characters of a value of these annotations that the status repeats."""

_DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

ATOMIC: JsonObject = {"x-kubernetes-map-type": "atomic"}
ATOMIC_LIST: JsonObject = {"x-kubernetes-list-type": "atomic"}
SET: JsonObject = {"x-kubernetes-list-type": "set"}


def map_list(*keys: str) -> JsonObject:
    """For `json_schema_extra` of a list whose entries are told apart by `keys` (camelCase)."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def as_handled(value: str) -> str:
    """An annotation's value as a status takes it: one that is too long for that, by its SHA-256."""
    return value if len(value) <= MAX_REQUEST else f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"


ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=rf"^{_DNS_LABEL}(\.{_DNS_LABEL})*$")]
NamespaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=f"^{_DNS_LABEL}$")]
DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern="^[-._a-zA-Z0-9]+$")]
"""Key inside a Secret or a ConfigMap."""

AccountSid = Annotated[str, Field(pattern="^AC[0-9a-f]{32}$", max_length=34)]
CredentialSid = Annotated[str, Field(pattern="^CR[0-9a-f]{32}$", max_length=34)]
"""Of an AWS credential or of a public key: both are CR."""
ApiKeySid = Annotated[str, Field(pattern="^SK[0-9a-f]{32}$", max_length=34)]
RecordingSid = Annotated[str, Field(pattern="^R[ET][0-9a-f]{32}$", max_length=34)]

FriendlyName = Annotated[str, Field(min_length=1, max_length=64)]
Duration = Annotated[str, Field(min_length=2, max_length=20)]
"""As people write it: `2h`, `1h30m`, `5s`. `domain.durations.parse_duration` gives seconds."""
Int64 = Annotated[int, Field(json_schema_extra={"format": "int64"})]
Count = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]


class Part(BaseModel):
    """A piece of a resource: snake_case here, camelCase in YAML, read-only once parsed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="ignore",  # an older operator reads what a newer CRD has let through
        frozen=True,
        use_attribute_docstrings=True,
    )

    def dump(self) -> dict[str, Any]:
        """As the API server wants it: camelCase, JSON types, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Union(Part):
    """One member of several, the one that `type` names.

    A subclass gives `members`: by value of `type`, the field that goes with it, or None where that type needs none.
    """

    members: ClassVar[Mapping[str, str | None]]
    type: StrEnum

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler(schema)
        handler.resolve_ref_schema(found).update(rules(*union(cls.members)))
        return found

    @model_validator(mode="after")
    def _has_its_member(self) -> Self:
        member = self.members.get(self.type)
        if member is not None and getattr(self, to_snake(member)) is None:
            told = {"member": member, "type": str(self.type)}
            raise PydanticCustomError("member", "{member} is required when type is {type}", told)
        return self


class AccountRef(Part):
    """A RecordingAccount."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: ObjectName
    """Name of the RecordingAccount."""
    namespace: NamespaceName | None = None
    """Its namespace; without it, this object's own. The account's allowedNamespaces must admit this one."""


class LocalRef(Part):
    """An object in the same namespace."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: ObjectName
    """Name of the object."""


FixedAccountRef = Annotated[
    AccountRef,
    Field(
        json_schema_extra=rules(
            immutable("accountRef", remedy="delete this object and create it anew for the other account")
        )
    ),
]
"""The account that an object belongs to, for good: what it owns at the store can't move."""


class CredentialDeletionPolicy(StrEnum):
    DELETE = "Delete"
    RETAIN = "Retain"


class Condition(Part):
    """One aspect of the state, in the form that Kubernetes' own tools read."""

    type: Annotated[
        str, Field(min_length=1, max_length=316, pattern="^([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
    ]
    """Which aspect: Ready, Reconciling, Stalled, or a cause such as RefsResolved."""
    status: Truth
    """True, False or Unknown."""
    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = None
    """The metadata.generation that this was found for."""
    last_transition_time: datetime
    """When status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024, pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """Why, in one CamelCase word for programs."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, and what to do about it, for people."""


class StoredItemSpec(Part):
    """What every object says that stands for an item in the account at the store."""

    account_ref: FixedAccountRef
    """The account that owns it. Immutable."""
    friendly_name: FriendlyName | None = None
    """Name at the store; the object's own name if not given."""
    deletion_policy: CredentialDeletionPolicy = CredentialDeletionPolicy.DELETE
    """What happens to it at the store when this object is deleted, as soon as nothing uses it. Delete or Retain."""


class Status(Part):
    """What every kind reports."""

    observed_generation: Int64 = -1
    """The metadata.generation that the operator has dealt with; -1 before it has seen the object."""
    conditions: Annotated[list[Condition], Field(max_length=32, json_schema_extra=map_list("type"))] | None = None
    """The state: Ready, Reconciling and Stalled (present only while True), and the causes behind them."""
    last_handled_reconcile_at: Annotated[str, Field(max_length=MAX_REQUEST)] | None = None
    """The last value of the annotation reconcile-requested-at (ours or Flux's) that was acted upon; of one with more
    than 253 characters, sha256: and its SHA-256."""

    def condition(self, type_: str) -> Condition | None:
        return next((each for each in self.conditions or () if each.type == type_), None)


class ObjectMeta(Part):
    """The part of Kubernetes' metadata that we read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: list[str] = []

    @property
    def reconcile_requested_at(self) -> str:
        """The value that a person or Flux has set to have the object reconciled now; empty if none has."""
        return self.annotations.get(RECONCILE_ANNOTATION) or self.annotations.get(FLUX_RECONCILE_ANNOTATION, "")

    @property
    def handled_reconcile_at(self) -> str:
        """The same as the status takes it."""
        return as_handled(self.reconcile_requested_at)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    description: str
    priority: int = 0  # 1: only with -o wide


@dataclass(frozen=True, kw_only=True)
class Names:
    """How a kind is called on the command line."""

    plural: str
    singular: str
    short: str


def condition_column(name: str, *, field: str, description: str) -> Column:
    return Column(name=name, path=f'.status.conditions[?(@.type=="Ready")].{field}', description=description)


READY = condition_column("Ready", field="status", description="Whether the store has what is asked for here")
REASON = condition_column("Reason", field="reason", description="Why it is ready, or not")
AGE = Column(name="Age", path=".metadata.creationTimestamp", type="date", description="Time since it was created")


class Resource(Part):
    """A whole object. Subclasses give kind, spec, status and what `kubectl` shows."""

    names: ClassVar[Names]
    columns: ClassVar[tuple[Column, ...]]  # between Reason and Age
    selectable: ClassVar[tuple[str, ...]]  # JSON paths that `--field-selector` takes

    api_version: Literal["recordingstorage.dev/v1alpha1"] = API_VERSION
    kind: str
    metadata: ObjectMeta = ObjectMeta()
    spec: Part
    status: Status = Status()

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> Self:
        """From what the API server or kopf gives (any mapping).

        Raises:
            pydantic.ValidationError: The object doesn't fit the schema of its own CRD.
        """
        return cls.model_validate(dict(obj))
