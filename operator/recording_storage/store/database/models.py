"""The tables of the settings store; the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    TextClause,
    TypeDecorator,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from recording_storage.domain.policy import OwnStorage

# Indexes on some of the rows only. SQLite uses one where a query has the same words, so these are for both.
UNFINISHED = text("state IN ('found', 'held', 'parked', 'rejected', 'uploading', 'waiting') AND deleted_at IS NULL")
"""Recordings that still need their destination."""
INCOMPLETE = text("state NOT IN ('released', 'reported', 'stored')")
"""Recordings whose media is nowhere yet, and will never be in some cases."""
VIDEO = text("product = 'video'")
NAMED = {
    name: text(f"{name} != ''") for name in ("source_sid", "room_sid", "participant_sid", "call_sid", "conference_sid")
}
"""What recordings can be listed by; most have none of it."""


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC; SQLite itself would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is not None and value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the database")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own protocol
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(),
        int: BigInteger().with_variant(Integer(), "sqlite"),
    }


class Account(Base):
    __tablename__ = "accounts"

    sid: Mapped[str] = mapped_column(String(34), primary_key=True)
    friendly_name: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    """The resource that it was opened for."""
    auth_token_hash: Mapped[str] = mapped_column(String(255))
    auth_token_box: Mapped[bytes] = mapped_column(LargeBinary)
    """Sealed: callbacks are signed with it."""
    status: Mapped[str] = mapped_column(String(16), default="active")
    own_storage: Mapped[str] = mapped_column(String(8), default=OwnStorage.ALLOWED, server_default=OwnStorage.ALLOWED)
    """An `OwnStorage`: of products whose settings say nothing else."""
    revision: Mapped[int] = mapped_column(default=0)
    """Grows with every change that an uploader has to know."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ApiKey(Base):
    __tablename__ = "api_keys"

    sid: Mapped[str] = mapped_column(String(34), primary_key=True)
    account_sid: Mapped[str] = mapped_column(ForeignKey("accounts.sid"), index=True)
    friendly_name: Mapped[str] = mapped_column(String(64), default="")
    secret_hash: Mapped[str] = mapped_column(String(255))
    secret_box: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Sealed, where the same answer must be given again (keys of accounts opened by external id)."""
    created_at: Mapped[datetime]


class AwsCredential(Base):
    __tablename__ = "aws_credentials"

    sid: Mapped[str] = mapped_column(String(34), primary_key=True)
    account_sid: Mapped[str] = mapped_column(ForeignKey("accounts.sid"), index=True)
    friendly_name: Mapped[str] = mapped_column(String(64), default="")
    box: Mapped[bytes] = mapped_column(LargeBinary)
    """Sealed `ACCESS_KEY_ID:SECRET`."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PublicKey(Base):
    __tablename__ = "public_keys"

    sid: Mapped[str] = mapped_column(String(34), primary_key=True)
    account_sid: Mapped[str] = mapped_column(ForeignKey("accounts.sid"), index=True)
    friendly_name: Mapped[str] = mapped_column(String(64), default="")
    pem: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Settings(Base):
    """One default for each account and product."""

    __tablename__ = "settings"

    account_sid: Mapped[str] = mapped_column(ForeignKey("accounts.sid"), primary_key=True)
    product: Mapped[str] = mapped_column(String(8), primary_key=True)
    revision: Mapped[int] = mapped_column(default=0)
    """The account's revision at which these were set."""
    values: Mapped[dict[str, Any]]
    """The form parameters in snake case, as domain settings know them; no secret among them."""
    destination_id: Mapped[str | None] = mapped_column(String(32))
    """Of the present external storage; None while it is off."""
    verified_at: Mapped[datetime | None]
    owner: Mapped[str] = mapped_column(String(255), default="")
    owner_label: Mapped[str] = mapped_column(String(255), default="")
    own_storage: Mapped[str | None] = mapped_column(String(8))
    """An `OwnStorage`; None: the account's."""
    updated_at: Mapped[datetime]

    def own_storage_of(self, account: str) -> OwnStorage:
        """Given the account's, what counts."""
        return OwnStorage(self.own_storage or account)


class Destination(Base):
    """Where recordings of an account went or go; immutable but for the credential that it is reached with."""

    __tablename__ = "destinations"

    account_sid: Mapped[str] = mapped_column(ForeignKey("accounts.sid"), primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    values: Mapped[dict[str, Any]]
    """A protocol DestinationPlan without credential."""
    credential_sid: Mapped[str | None] = mapped_column(String(34), index=True)
    public_key_sid: Mapped[str | None] = mapped_column(String(34), index=True)
    public_key: Mapped[str | None]
    """PEM; the destination's own: what waits for it is encrypted also when the key was deleted meanwhile."""
    proven_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


def _partial_index(name: str, *columns: str, where: TextClause) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


class Recording(Base):
    __tablename__ = "recordings"

    account_sid: Mapped[str] = mapped_column(ForeignKey("accounts.sid"), primary_key=True)
    sid: Mapped[str] = mapped_column(String(34), primary_key=True)
    product: Mapped[str] = mapped_column(String(8))
    spool_id: Mapped[str | None] = mapped_column(String(36))
    seq: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(16))
    """As the uploader reports it (domain RecordingState)."""
    file: Mapped[str] = mapped_column(default="")
    size: Mapped[int] = mapped_column(default=0)
    content_type: Mapped[str] = mapped_column(String(255), default="application/octet-stream")
    found_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    duration: Mapped[float | None]
    channels: Mapped[int | None]
    type: Mapped[str] = mapped_column(String(8), default="")
    call_sid: Mapped[str] = mapped_column(String(64), default="")
    conference_sid: Mapped[str] = mapped_column(String(64), default="")
    room_sid: Mapped[str] = mapped_column(String(64), default="")
    source_sid: Mapped[str] = mapped_column(String(64), default="")
    participant_sid: Mapped[str] = mapped_column(String(64), default="")
    track_name: Mapped[str] = mapped_column(String(255), default="")
    status_callback: Mapped[str] = mapped_column(default="")
    status_callback_method: Mapped[str] = mapped_column(String(8), default="")
    destination_id: Mapped[str | None] = mapped_column(String(32))
    media_url: Mapped[str] = mapped_column(default="")
    """External location; empty while the media is in the store's own storage or nowhere yet."""
    media_path: Mapped[str] = mapped_column(String(255), default="")
    """Below the store's media directory, when it holds the media itself."""
    objects: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, server_default="[]")
    """Protocol StoredObjects at the destination; none while it has none, or is in the store's own storage."""
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    """What its recorder said beyond the columns here."""
    sha256: Mapped[str] = mapped_column(String(64), default="")
    stored_size: Mapped[int | None]
    stored_at: Mapped[datetime | None]
    encryption_details: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """Deleted by its owner: gone from every answer; kept so that a late report can't bring it back."""

    __table_args__ = (
        Index("recordings_by_time", "account_sid", "product", "created_at", "sid"),
        *(
            _partial_index(f"recordings_by_{name}", "account_sid", "product", name, "created_at", "sid", where=named)
            for name, named in NAMED.items()
        ),
        _partial_index("recordings_by_type", "account_sid", "product", "type", "created_at", "sid", where=VIDEO),
        _partial_index("recordings_incomplete", "account_sid", "product", "created_at", "sid", where=INCOMPLETE),
        _partial_index("recordings_unfinished", "account_sid", "spool_id", "destination_id", where=UNFINISHED),
    )


class Binding(Base):
    """Namespaces whose uploaders may have an account's plan."""

    __tablename__ = "bindings"

    account_sid: Mapped[str] = mapped_column(ForeignKey("accounts.sid"), primary_key=True)
    namespace_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    namespace: Mapped[str] = mapped_column(String(253))
    created_at: Mapped[datetime]


class Token(Base):
    """Bearer tokens made by `store create-token`; only their hash is kept."""

    __tablename__ = "tokens"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256, hex; the token itself has 256 random bits."""
    account_sid: Mapped[str | None] = mapped_column(ForeignKey("accounts.sid"))
    """None: admin."""
    created_at: Mapped[datetime]


class Spool(Base):
    """A spool as its uploader last reported it, for one account."""

    __tablename__ = "spools"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    account_sid: Mapped[str] = mapped_column(ForeignKey("accounts.sid"), primary_key=True, index=True)
    namespace: Mapped[str] = mapped_column(String(253), default="")
    namespace_uid: Mapped[str] = mapped_column(String(64), default="")
    pod: Mapped[str] = mapped_column(String(253), default="")
    report: Mapped[dict[str, Any]]
    last_seen: Mapped[datetime]


class SpoolPlace(Base):
    """A spool where an uploader in a pod has found it. A copied volume has its original's id, so one may have two."""

    __tablename__ = "spool_places"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    namespace_uid: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    claim: Mapped[str] = mapped_column(String(253), primary_key=True)
    sub_path: Mapped[str] = mapped_column(String(1024), primary_key=True)
    namespace: Mapped[str] = mapped_column(String(253))
    pod: Mapped[str] = mapped_column(String(253))
    pod_uid: Mapped[str] = mapped_column(String(64))
    volume: Mapped[str] = mapped_column(String(253))
    account: Mapped[str] = mapped_column(String(507))
    """The RecordingAccount that it asks for; empty: none."""
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    digest: Mapped[str] = mapped_column(String(64))
    """Of all that it said last, its report among it."""
    revision: Mapped[int] = mapped_column(index=True)
    """The value of the counter `spools` at its last change."""


class SpoolAssignment(Base):
    """Whose recordings are on a spool, while it is at this place."""

    __tablename__ = "spool_assignments"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    namespace_uid: Mapped[str] = mapped_column(String(64))
    claim: Mapped[str] = mapped_column(String(253))
    sub_path: Mapped[str] = mapped_column(String(1024))
    account_sids: Mapped[list[str]] = mapped_column(JSON)
    """Recordings that name none belong to the first."""
    label: Mapped[str] = mapped_column(String(255))
    changed_at: Mapped[datetime]


class Counter(Base):
    """Numbers that grow; whoever takes one holds its row until the end, so they are seen in their order."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[int]


class Command(Base):
    """What uploaders are asked to do; one row for each spool it is for."""

    __tablename__ = "commands"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    spool_id: Mapped[str] = mapped_column(String(36), primary_key=True, index=True)
    account_sid: Mapped[str] = mapped_column(ForeignKey("accounts.sid"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    recording_sid: Mapped[str | None] = mapped_column(String(34))
    created_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    retried: Mapped[int | None]
    """How many recordings it has moved; None: not known."""
