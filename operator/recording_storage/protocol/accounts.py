"""What the operator alone may ask for: accounts, bindings, uploaders, commands, owners."""

from datetime import datetime

from msgspec import field

from recording_storage.domain.policy import OwnStorage
from recording_storage.domain.states import Product
from recording_storage.protocol.base import Message, Secret, Sid, Uuid
from recording_storage.protocol.sync import CommandKind, SpoolReport


class OpenAccount(Message, frozen=True, kw_only=True):
    """`PUT /internal/v1/accounts:by-external-id/{external_id}`: the same answer each time."""

    friendly_name: str
    own_storage: OwnStorage = OwnStorage.WITHHELD
    """Of products that nothing else is said of; where the account is there already, it stays as it is."""
    known_sid: Sid | None = None
    """The account that was opened for it before: a store that has it no more, as one that was restored from a backup,
    opens none instead."""


class OpenedAccount(Message, frozen=True, kw_only=True):
    account_sid: Sid
    api_key_sid: Sid
    api_key_secret: Secret
    created: bool = False


class AccountInfo(Message, frozen=True, kw_only=True):
    account_sid: Sid
    friendly_name: str
    external_id: str = ""
    status: str = "active"
    """active or closed."""


class ApiKeyProof(Message, frozen=True, kw_only=True):
    api_key_sid: Sid
    api_key_secret: Secret


class BindNamespace(Message, frozen=True, kw_only=True):
    """`PUT /internal/v1/accounts/{AC}/bindings/{namespace uid}`; one of the two proofs, or it is refused."""

    namespace: str
    external_id: str | None = None
    """Proof 1: the account was opened for that very resource."""
    api_key: ApiKeyProof | None = None
    """Proof 2: the account's own API key."""


class Binding(Message, frozen=True, kw_only=True):
    namespace_uid: str
    namespace: str


class Bindings(Message, frozen=True, kw_only=True):
    bindings: list[Binding]


class UploaderInfo(Message, frozen=True, kw_only=True):
    spool_id: str
    namespace: str
    """As the token that it authenticated with says; empty for a token made by the store."""
    pod: str = ""
    last_seen: datetime
    live: bool
    report: SpoolReport


class Uploaders(Message, frozen=True, kw_only=True):
    uploaders: list[UploaderInfo]


class NewCommand(Message, frozen=True, kw_only=True):
    """`POST /internal/v1/accounts/{AC}/commands`."""

    id: Uuid | None = None
    """Chosen by who asks: asked once more with it, it is still one command."""
    kind: CommandKind
    spool_id: str | None = None
    """None: every spool that has reported for the account."""
    recording_sid: Sid | None = None


class CommandStatus(Message, frozen=True, kw_only=True):
    id: str
    kind: CommandKind
    created_at: datetime
    pending_spools: list[str] = field(default_factory=list)
    acknowledged_spools: list[str] = field(default_factory=list)
    retried: dict[str, int] = field(default_factory=dict)
    """By spool: how many recordings it has moved, where the uploader has said so."""


class ReplaceCredential(Message, frozen=True, kw_only=True):
    """`POST …/accounts/{AC}/credentials/{CR}:replace`: what is reached with CR is reached with `by` from now on."""

    by: Sid


class ClaimSettings(Message, frozen=True, kw_only=True):
    """`PUT /internal/v1/accounts/{AC}/settings/{product}/owner`: compare and set; 409 names the present owner."""

    owner: str
    """Stable name of the resource that manages the settings."""
    label: str = ""
    """For people: `namespace/name`."""


class SetOwnStorage(Message, frozen=True, kw_only=True):
    """`PUT /internal/v1/accounts/{AC}/settings/{product}/own-storage`."""

    own_storage: OwnStorage


class SettingsOwner(Message, frozen=True, kw_only=True):
    product: Product
    owner: str = ""
    label: str = ""


class SettingsState(Message, frozen=True, kw_only=True):
    """`GET /internal/v1/accounts/{AC}/settings/{product}`: revision and owner; the values come from the public API."""

    product: Product
    revision: int
    owner: str = ""
    label: str = ""
    destination_id: str | None = None
    verified_at: datetime | None = None
    own_storage: OwnStorage | None = None
    """None: a store of before that keeps recordings wherever external storage is off."""
