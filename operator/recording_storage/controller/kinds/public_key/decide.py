"""What a PublicKey needs, decided from what is there. A key never changes: a rotation is a new object."""

from dataclasses import dataclass
from typing import Any

from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.verdicts import InUse, Stalled, UsedBy, Verdict
from recording_storage.controller.kinds.stored_item.decide import (
    Delete,
    ObservedItem,
    Rename,
    blocked,
    removal,
    told_of_item,
)
from recording_storage.controller.stores.naming import ItemName, belongs, stands_for
from recording_storage.domain.conditions import ConditionType, true
from recording_storage.resources import PublicKey
from recording_storage.resources.common import CredentialDeletionPolicy

REFS, SYNCED = ConditionType.REFS_RESOLVED, ConditionType.SYNCED


@dataclass(frozen=True, kw_only=True)
class Pem:
    """The key that the object or its ConfigMap holds now."""

    text: str
    fingerprint: str
    """SHA-256 of its DER form, as openssl prints it."""


@dataclass(frozen=True, kw_only=True)
class Observed(ObservedItem):
    pem: Pem | None = None
    spools_behind: tuple[str, ...] = ()
    """Spools of live uploaders with recordings for earlier settings, which may have been encrypted for this key."""


@dataclass(frozen=True)
class Create:
    name: ItemName
    pem: Pem


Action = Create | Rename | Delete


def decide(key: PublicKey, observed: Observed) -> Decision[Action]:  # noqa: PLR0911 - one for each state
    """Decide the next step towards the key being at the store, once."""
    if observed.failure is not None:
        return Decision(verdict=observed.failure)
    if observed.pem is None or observed.name is None:
        assert observed.source_failure is not None
        return Decision(verdict=observed.source_failure)
    if key.status.fingerprint not in {None, observed.pem.fingerprint}:
        source = key.spec.source.config_map
        where = f"ConfigMap {key.metadata.namespace}/{source.name}" if source else "spec.source"
        verdict = Stalled(
            "KeyChanged",
            f"{where} holds another key now (SHA-256 {observed.pem.fingerprint}) than the one that recordings name "
            f"({key.status.fingerprint}): put the old one back, and rotate with a new PublicKey to which "
            "RecordingSettings then refer",
            cause=REFS,
        )
        return Decision(verdict=verdict)
    resolved = true(REFS, "Resolved", "account and key are there")
    candidates = sorted(observed.items, key=lambda item: item.sid != key.status.sid)  # not a double of it
    wanted = next((item for item in candidates if stands_for(item, observed.name)), None)
    if wanted is None:
        wanted = next((item for item in observed.items if item.sid == key.status.sid), None)
    if wanted is None:
        return Decision(actions=(Create(observed.name, observed.pem),), conditions=(resolved,))
    if wanted.friendly_name != observed.name.text:
        return Decision(actions=(Rename(wanted.sid, observed.name),), conditions=(resolved,))
    status: dict[str, Any] = {"sid": wanted.sid, "fingerprint": observed.pem.fingerprint}
    message = f"the store has the key as {wanted.sid}"
    doubles = {item.sid for item in observed.items if belongs(item, observed.tag)} - {wanted.sid} - observed.in_settings
    if doubles:
        return Decision(actions=tuple(Delete(sid) for sid in sorted(doubles)), status=status, conditions=(resolved,))
    return Decision(status=status, conditions=(resolved, true(SYNCED, "Synced", message)), message=message)


def changes(before: PublicKey, after: PublicKey) -> tuple[Note, ...]:
    """What is to be told of a look that has led from one status to another."""
    return told_of_item(before.status.sid, after.status.sid)


def decide_deletion(key: PublicKey, observed: Observed) -> Decision[Action]:
    """Decide what is left to do at the store before the object may go."""
    if observed.gone or key.spec.deletion_policy is CredentialDeletionPolicy.RETAIN:
        return Decision(finished=True)
    if observed.failure is not None:
        return Decision(verdict=observed.failure)
    sids = {item.sid for item in observed.items if item.sid == key.status.sid or belongs(item, observed.tag)}
    used = sids & observed.in_settings
    if observed.referrers or used:
        return Decision(verdict=blocked(observed.referrers, used, set(), what="PublicKey"))
    if sids and observed.spools_behind:
        return Decision(verdict=_still_needed(observed.spools_behind))
    return removal(sids, observed)


def _still_needed(spools: tuple[str, ...]) -> Verdict:
    return InUse(
        "not deleted at the store, because recordings for earlier settings, perhaps encrypted for this key, are still "
        f"on spool {', '.join(spools)}: the deletion goes on by itself once they are uploaded",
        by=UsedBy.UPLOADERS,
        after=15.0,
    )
