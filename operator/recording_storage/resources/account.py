"""RecordingAccount: an account at a settings store, bundled or hosted."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from recording_storage.resources.common import (
    ATOMIC,
    ATOMIC_LIST,
    AccountSid,
    ApiKeySid,
    Column,
    LocalRef,
    Names,
    NamespaceName,
    Part,
    Resource,
    Status,
    Union,
    map_list,
)
from recording_storage.resources.rules import Reason, immutable, rule, rules


class StoreType(StrEnum):
    BUNDLED = "Bundled"
    REMOTE = "Remote"


class NamespacesFrom(StrEnum):
    SAME = "Same"
    SELECTOR = "Selector"


class AccountDeletionPolicy(StrEnum):
    RETAIN = "Retain"
    CLOSE = "Close"


API_KEY_SUFFIX = "-api-key"
LONGEST_NAME = 253 - len(API_KEY_SUFFIX)
"""Characters of the name of an account whose Secret is named after it."""

ENDPOINT = rules(
    rule(
        r"self.matches('^(https://[A-Za-z0-9.-]+|http://(localhost|127\\.0\\.0\\.1|\\[::1\\]))(:[0-9]{1,5})?/?$')",
        message="must be https://HOST[:PORT] without path, query or user (plain http only for loopback)",
        reason=Reason.FORBIDDEN,  # so that the API server doesn't repeat a password that somebody wrote here
    )
)
Endpoint = Annotated[str, Field(min_length=1, max_length=512, json_schema_extra=ENDPOINT)]


class Endpoints(Part):
    """Base URLs of a remote store's three APIs."""

    video: Endpoint
    """Base URL of the video API, which holds the recording settings, such as https://video.example.com."""
    accounts: Endpoint
    """Base URL of the accounts API, which holds credentials and public keys."""
    api: Endpoint
    """Base URL of the 2010 API, which holds voice recordings."""


class Store(Union):
    """Which settings store the account is at."""

    members: ClassVar[Mapping[str, str | None]] = {StoreType.BUNDLED: None, StoreType.REMOTE: "endpoints"}

    type: Annotated[
        StoreType,
        Field(json_schema_extra=rules(immutable("store.type", remedy="create another RecordingAccount"))),
    ] = StoreType.BUNDLED
    """Bundled: the store that is installed with the operator. Remote: a hosted service. Immutable."""
    endpoints: Endpoints | None = None
    """Where a remote store answers; required when type is Remote, and only then."""


def _escaped(pattern: str) -> str:
    """As a string of CEL."""
    return pattern.replace("\\", "\\\\")


class SelectorOperator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LABEL_KEY = rf"^({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$"
LABEL_KEY = "must be a label's key: [PREFIX/]NAME, the prefix a DNS name, the name of 63 letters, digits, - _ . at most"
LabelKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=317,
        json_schema_extra=rules(rule(f"self.matches('{_escaped(_LABEL_KEY)}')", message=LABEL_KEY)),
    ),
]
LabelValue = Annotated[str, Field(max_length=63, pattern="^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]


class LabelRequirement(Part):
    """One condition on a label."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
                message="values go with the operators In and NotIn, which need them, and with no other",
                field_path=".values",
            )
        )
    )

    key: LabelKey
    """The label's key."""
    operator: SelectorOperator
    """In and NotIn compare with values; Exists and DoesNotExist take none."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64, json_schema_extra=ATOMIC_LIST)] = ()
    """What the label is compared with."""


class LabelSelector(Part):
    """Selects by labels; all requirements must hold, an empty selector selects everything."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    match_labels: dict[str, LabelValue] = Field(
        default_factory=dict,
        max_length=32,
        json_schema_extra=rules(
            rule(
                f"self.all(key, key.matches('{_escaped(_LABEL_KEY)}') && size(key) <= 317)",
                message=f"each key {LABEL_KEY}",
            )
        ),
    )
    """Labels that must be there with exactly these values."""
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=32, json_schema_extra=ATOMIC_LIST)] = ()
    """Further requirements."""


class AllowedNamespaces(Part):
    """Which namespaces may use the account."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.from != 'Selector' || has(self.selector)",
                message="selector is required when from is Selector",
                reason=Reason.REQUIRED,
                field_path=".selector",
            ),
            rule(
                "self.from == 'Selector' || !has(self.selector)",
                message="selector may only be given when from is Selector",
                reason=Reason.FORBIDDEN,
                field_path=".selector",
            ),
        )
    )

    from_: Annotated[NamespacesFrom, Field(alias="from")] = NamespacesFrom.SAME
    """Same: only the account's own namespace. Selector: also those that selector selects."""
    selector: LabelSelector | None = None
    """Labels of the namespaces that may use the account; required when from is Selector, and only then."""


class RecordingAccountSpec(Part):
    """The account that is wanted."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(oldSelf.accountSid) || (has(self.accountSid) && self.accountSid == oldSelf.accountSid)",
                message="accountSid can neither be changed nor removed once it is set: create another RecordingAccount",
                reason=Reason.FORBIDDEN,
                field_path=".accountSid",
            ),
            rule(
                "self.store.type != 'Remote' || has(self.accountSid)",
                message="accountSid is required when store.type is Remote: only a bundled store opens accounts",
                reason=Reason.REQUIRED,
                field_path=".accountSid",
            ),
            rule(
                "self.store.type != 'Remote' || has(self.apiKeySecretRef)",
                message="apiKeySecretRef is required when store.type is Remote: name a Secret of type "
                "kubernetes.io/basic-auth with the API key's sid as username and its secret as password",
                reason=Reason.REQUIRED,
                field_path=".apiKeySecretRef",
            ),
        )
    )

    store: Store = Store()
    """Which settings store the account is at."""
    account_sid: AccountSid | None = None
    """The account's sid. Required when the store is remote; at a bundled store the operator opens the account. Once
    set it neither changes nor goes."""
    api_key_secret_ref: LocalRef | None = None
    """Secret of type kubernetes.io/basic-auth with the account's API key (username: its sid, password: its secret).
    Required when the store is remote; at a bundled store the operator writes it, named NAME-api-key unless set."""
    allowed_namespaces: AllowedNamespaces = AllowedNamespaces()
    """Which namespaces may refer to the account and run its uploaders."""
    deletion_policy: AccountDeletionPolicy = AccountDeletionPolicy.RETAIN
    """What happens to the account at the store when this object is deleted. Retain: it stays. Close: it is closed."""


MOST_NAMESPACES = 1024
"""That an account may be bound to: its status names them all."""


class BoundNamespace(Part):
    """A namespace whose uploaders get the account's plans."""

    name: NamespaceName
    """Name of the namespace."""
    uid: Annotated[str, Field(min_length=1, max_length=128)]
    """Its UID: one that is deleted and created anew under the same name is another."""


class RecordingAccountStatus(Status):
    """The account as it is."""

    account_sid: AccountSid | None = None
    """Sid of the account at the store."""
    external_id: Annotated[str, Field(max_length=128)] | None = None
    """The name under which the operator opened the account at a bundled store; the same answer comes again for it."""
    api_key_sid: ApiKeySid | None = None
    """Sid of the API key that the operator uses."""
    bound_namespaces: (
        Annotated[list[BoundNamespace], Field(max_length=MOST_NAMESPACES, json_schema_extra=map_list("name"))] | None
    ) = None
    """Namespaces to which the account is bound."""


class RecordingAccount(Resource):
    """An account at a settings store: the owner of credentials, keys, settings and recordings."""

    names: ClassVar[Names] = Names(plural="recordingaccounts", singular="recordingaccount", short="recacct")
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="Account", path=".status.accountSid", description="Sid of the account at the store"),
        Column(name="Store", path=".spec.store.type", description="Bundled or Remote"),
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.store.type", ".spec.accountSid", ".spec.apiKeySecretRef.name")

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"oldSelf.hasValue() || size(self.metadata.name) <= {LONGEST_NAME} || "
                "(has(self.spec) && has(self.spec.apiKeySecretRef))",
                message=f"a name of more than {LONGEST_NAME} characters needs spec.apiKeySecretRef: the Secret would "
                f"be named NAME{API_KEY_SUFFIX}, and a name has 253 characters at most",
                optional_old_self=True,  # an object that is there must always be able to get a status, and to go
            )
        )
    )

    kind: Literal["RecordingAccount"] = "RecordingAccount"
    spec: RecordingAccountSpec = RecordingAccountSpec()
    """The account that is wanted."""
    status: RecordingAccountStatus = RecordingAccountStatus()
    """The account as it is."""

    @property
    def api_key_secret_name(self) -> str:
        """The Secret with the account's API key, in this object's namespace."""
        ref = self.spec.api_key_secret_ref
        return ref.name if ref else f"{self.metadata.name}{API_KEY_SUFFIX}"

    @property
    def api_key_secret(self) -> str:
        """The same as messages name it."""
        return f"Secret {self.metadata.namespace}/{self.api_key_secret_name}"
