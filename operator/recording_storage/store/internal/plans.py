"""Plans: drafted from the tables without any secret, compared by etag, and only then given their credentials."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from recording_storage.domain.policy import OwnStorage
from recording_storage.domain.settings import RecordingSettings
from recording_storage.domain.states import Product
from recording_storage.protocol.base import Secret
from recording_storage.protocol.plan import AccountPlan, CredentialPlan, DestinationPlan, EncryptionPlan, ProductPlan
from recording_storage.protocol.sync import SpoolAssignment
from recording_storage.store.database.models import UNFINISHED, Account, AwsCredential, Destination, Recording, Settings
from recording_storage.store.secrets_box import SecretsBox
from recording_storage.store.services.credentials import open_credential


@dataclass(frozen=True)
class PlanDraft:
    """A plan without secrets."""

    plan: AccountPlan
    """Its destinations have no credential."""
    credentials: Mapping[str, str]
    """Destination id → sid of its present credential; a destination whose credential is gone is missing."""


def draft_plans(
    session: Session, accounts: Collection[str], *, spool_id: str, named: Mapping[str, Collection[str]]
) -> list[PlanDraft]:
    """Draft the plans of some accounts for a spool; five queries, however many accounts.

    Args:
        session: a consistent view of the tables.
        accounts: those that the caller may have.
        spool_id: destinations that its unfinished recordings are pinned to are part of the plans.
        named: by account, destinations that the spool's report says it needs.

    """
    wanted = sorted(accounts)
    if not wanted:
        return []
    # Revisions first: what is read later can only be newer, and then comes once more under its own revision.
    query = sa.select(Account.sid, Account.revision, Account.own_storage).where(Account.sid.in_(wanted))
    known = {sid: (revision, own_storage) for sid, revision, own_storage in session.execute(query)}
    settings: dict[str, list[Settings]] = defaultdict(list)
    for row in session.scalars(sa.select(Settings).where(Settings.account_sid.in_(wanted))):
        settings[row.account_sid].append(row)
    needed = _needed(session, wanted, spool_id=spool_id, named=named, settings=settings)
    destinations: dict[str, list[PlacedDestination]] = defaultdict(list)
    for placed in _destinations(session, wanted):
        if placed.row.id in needed[placed.row.account_sid]:
            destinations[placed.row.account_sid].append(placed)
    return [
        PlanDraft(
            plan=AccountPlan(
                account_sid=sid,
                revision=known[sid][0],
                products=_products(settings[sid], own_storage=known[sid][1]),
                destinations={placed.row.id: _destination(placed) for placed in destinations[sid]},
            ),
            credentials={
                placed.row.id: placed.row.credential_sid
                for placed in destinations[sid]
                if placed.is_usable and placed.row.credential_sid is not None
            },
        )
        for sid in wanted
        if sid in known
    ]


def etag_of(drafts: Sequence[PlanDraft], *, assignment: SpoolAssignment | None) -> str:
    """The same for the same plans. A credential counts by its sid: what is behind a sid never changes."""
    content: list[Any] = [[draft.plan.to_values(), dict(draft.credentials)] for draft in drafts]
    if assignment is not None:
        content.append(assignment.to_values())
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def complete_plans(session: Session, drafts: Sequence[PlanDraft], *, box: SecretsBox) -> dict[str, AccountPlan]:
    """Give each destination its credential, by account; the only place where secrets are unsealed for uploaders.

    Raises SealedSecretError when the master key does not open one.
    """
    sids = {sid for draft in drafts for sid in draft.credentials.values()}
    rows = session.scalars(sa.select(AwsCredential).where(AwsCredential.sid.in_(sids))) if sids else ()
    opened = {(row.account_sid, row.sid): _credential(box, row) for row in rows}
    return {
        draft.plan.account_sid: draft.plan.replace(
            destinations={
                id_: destination.replace(
                    credential=opened.get((draft.plan.account_sid, draft.credentials.get(id_, "")))
                )
                for id_, destination in draft.plan.destinations.items()
            }
        )
        for draft in drafts
    }


@dataclass(frozen=True)
class PlacedDestination:
    row: Destination
    credential_exists: bool

    @property
    def is_usable(self) -> bool:
        """False holds what is pinned here: without its public key nothing may be stored, least of all in clear."""
        return self.credential_exists and (self.row.public_key_sid is None or self.row.public_key is not None)


def _destinations(session: Session, accounts: Sequence[str]) -> list[PlacedDestination]:
    query = (
        sa.select(Destination, AwsCredential.sid)
        .outerjoin(
            AwsCredential,
            sa.and_(
                AwsCredential.sid == Destination.credential_sid, AwsCredential.account_sid == Destination.account_sid
            ),
        )
        .where(Destination.account_sid.in_(accounts))
        .order_by(Destination.id)
    )
    return [PlacedDestination(row, sid is not None) for row, sid in session.execute(query)]


def _needed(
    session: Session,
    accounts: Sequence[str],
    *,
    spool_id: str,
    named: Mapping[str, Collection[str]],
    settings: Mapping[str, Sequence[Settings]],
) -> dict[str, set[str]]:
    needed: dict[str, set[str]] = {sid: set(named.get(sid, ())) for sid in accounts}
    for sid in accounts:
        needed[sid] |= {row.destination_id for row in settings.get(sid, ()) if row.destination_id}
    pinned = (
        sa.select(Recording.account_sid, Recording.destination_id)
        .distinct()
        .where(
            Recording.spool_id == spool_id,
            Recording.account_sid.in_(accounts),
            UNFINISHED,
        )
    )
    for sid, id_ in session.execute(pinned):
        if id_ is not None:
            needed[sid].add(id_)
    return needed


def _products(rows: Sequence[Settings], *, own_storage: str) -> dict[Product, ProductPlan]:
    present = {Product(row.product): row for row in rows}
    plans = {product: _product(present.get(product), own_storage=own_storage) for product in Product}
    return {product: plan for product, plan in plans.items() if plan is not None}


def _product(row: Settings | None, *, own_storage: str) -> ProductPlan | None:
    """None: its recordings wait. `own_storage` is the account's."""
    if row is None or row.destination_id is None:
        allowed = row.own_storage_of(own_storage) if row is not None else own_storage
        if allowed == OwnStorage.WITHHELD:
            return None
    if row is None or not row.revision:
        return ProductPlan()
    settings = RecordingSettings.from_values(row.values)
    return ProductPlan(
        destination_id=row.destination_id,
        retry_window=settings.retry_seconds,
        fatal_error_policy=settings.fatal_error_policy,
        denial_grace=settings.grace_seconds,
    )


def _destination(placed: PlacedDestination) -> DestinationPlan:
    row = placed.row
    plan = DestinationPlan.from_values(row.values | {"id": row.id, "proven": row.proven_at is not None})
    if row.public_key_sid is None:
        return plan
    # One that a store of an older version had lost leaves an empty one, and no credential.
    encryption = EncryptionPlan(public_key_sid=row.public_key_sid, public_key=row.public_key or "")
    return plan.replace(encryption=encryption)


def _credential(box: SecretsBox, row: AwsCredential) -> CredentialPlan:
    pair = open_credential(box, row)
    return CredentialPlan(
        sid=row.sid, access_key_id=pair.access_key_id, secret_access_key=Secret(pair.secret_access_key)
    )
