"""What an AwsCredential needs, decided from what is there: a rotation never leaves a moment without a working one.

Secret changes ──> successor created (`pendingSid`) ──> RecordingSettings try it and switch
             ──> `sid` is the successor, its predecessor is `retiring` ──> deleted once no live uploader uses it
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.verdicts import Stalled, Verdict, Waiting
from recording_storage.controller.kinds.deletion import waited_for
from recording_storage.controller.kinds.stored_item.decide import (
    Delete,
    ObservedItem,
    Rename,
    blocked,
    removal,
    told_of_item,
)
from recording_storage.controller.stores.naming import ItemName, belongs, stands_for
from recording_storage.domain.conditions import Condition, ConditionType, Truth, true
from recording_storage.resources import AwsCredential
from recording_storage.resources.aws_credential import RetiringCredential
from recording_storage.resources.common import CredentialDeletionPolicy

LONGEST_RETIREMENT = 3600.0
"""Seconds after which a predecessor goes although an uploader may still name it."""
_LOOK_AGAIN = 15.0
"""Seconds between looks while something is on its way."""
REFS, SYNCED = ConditionType.REFS_RESOLVED, ConditionType.SYNCED


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """What the Secret holds now."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    version: str
    """Keyed hash: tells a rotation, tells nothing about the keys."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A RecordingSettings has tried a credential on the bucket, in vain."""

    settings: str
    """`RecordingSettings team-a/default`."""
    sid: str
    code: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Observed(ObservedItem):
    pair: KeyPair | None = None
    in_uploaders: frozenset[str] | None = None
    """Sids that live uploaders report; None where that can't be known."""
    refusals: tuple[Refusal, ...] = ()
    """What the referrers say about credentials that they have tried."""
    now: datetime
    watched: Mapping[str, float] = field(default_factory=dict)
    """By sid of a predecessor: seconds that this process has seen it retire."""


@dataclass(frozen=True)
class Create:
    name: ItemName
    pair: KeyPair


@dataclass(frozen=True)
class Replace:
    """Whatever is reached with `sid` is reached with `by` from now on."""

    sid: str
    by: str


Action = Create | Rename | Replace | Delete


def decide(credential: AwsCredential, observed: Observed) -> Decision[Action]:  # noqa: PLR0911 - one for each state
    """Decide the next step towards one working credential at the store that is the Secret's key pair."""
    if observed.failure is not None:
        return Decision(verdict=observed.failure)
    sids = {item.sid for item in observed.items}
    status = credential.status
    current = status.sid if status.sid in sids else None
    if observed.pair is None or observed.name is None:
        assert observed.source_failure is not None
        return Decision(verdict=_without_secret(observed.source_failure, current))
    resolved = true(REFS, "Resolved", "account and Secret are there")
    # A double, of a creation whose answer was lost, must not look like a rotation: the one that is in use comes first.
    candidates = sorted(observed.items, key=lambda item: (item.sid != current, item.sid != status.pending_sid))
    wanted = next((item for item in candidates if stands_for(item, observed.name)), None)
    if current is not None and wanted is None and status.secret_version == observed.pair.version:
        wanted = next(item for item in observed.items if item.sid == current)  # somebody has renamed it
    if wanted is None:
        return Decision(actions=(Create(observed.name, observed.pair),), conditions=(resolved,))
    if wanted.friendly_name != observed.name.text:
        return Decision(actions=(Rename(wanted.sid, observed.name),), conditions=(resolved,))
    if current is not None and current != wanted.sid:
        return _rotate(credential, observed, current=current, successor=wanted.sid, resolved=resolved)
    fields = {
        "sid": wanted.sid,
        "secretVersion": observed.pair.version,
        "accessKeyIdHint": observed.pair.access_key_id[-4:],
        "pendingSid": None,
        "pendingSecretVersion": None,
        "retiring": _retiring(_still_there(credential, sids, but=wanted.sid)),
    }
    if retired := _retire(credential, observed, heir=wanted.sid):
        return Decision(actions=retired, status=fields, conditions=(resolved,))
    message = f"the store has the key pair as {wanted.sid}"
    return Decision(
        status=fields,
        conditions=(resolved, true(SYNCED, "Synced", message)),
        message=message,
        again_after=_LOOK_AGAIN if fields["retiring"] else None,
    )


def changes(before: AwsCredential, after: AwsCredential) -> tuple[Note, ...]:
    """What is to be told of a look that has led from one status to another; a rotation is told when it is done."""
    old, new = before.status, after.status
    rotated = old.sid is not None and old.secret_version != new.secret_version
    return () if rotated else told_of_item(old.sid, new.sid)


def decide_deletion(credential: AwsCredential, observed: Observed) -> Decision[Action]:
    """Decide what is left to do at the store before the object may go."""
    if observed.gone or credential.spec.deletion_policy is CredentialDeletionPolicy.RETAIN:
        return Decision(finished=True)
    if observed.failure is not None:
        return Decision(verdict=observed.failure)
    sids = _ours(credential, observed)
    used = sids & observed.in_settings
    held = sids & (observed.in_uploaders or frozenset())
    if observed.referrers or used or held:
        return Decision(verdict=blocked(observed.referrers, used, held, what="AwsCredential"))
    return removal(sids, observed)


def _rotate(
    credential: AwsCredential, observed: Observed, *, current: str, successor: str, resolved: Condition
) -> Decision[Action]:
    pair = observed.pair
    assert pair is not None
    if current in observed.in_settings:
        unwanted = _unwanted(credential, observed, keep={current, successor})
        return Decision(
            actions=_removal(unwanted, heir=current),
            status={"sid": current, "pendingSid": successor, "pendingSecretVersion": pair.version},
            conditions=(resolved,),
            verdict=_under_way(credential, observed, current=current, successor=successor),
        )
    sids = {item.sid for item in observed.items}
    retiring = [*_still_there(credential, sids, but=successor), RetiringCredential(sid=current, since=observed.now)]
    return Decision(
        actions=(Replace(current, by=successor),),
        status={
            "sid": successor,
            "secretVersion": pair.version,
            "accessKeyIdHint": pair.access_key_id[-4:],
            "pendingSid": None,
            "pendingSecretVersion": None,
            "retiring": _retiring(retiring),
        },
        conditions=(resolved,),
        notes=(Note(reason="Rotated", message=f"{successor} has taken over from {current}"),),
    )


def _under_way(credential: AwsCredential, observed: Observed, *, current: str, successor: str) -> Verdict:
    refusals = [each for each in observed.refusals if each.sid == successor]
    if not refusals:
        users = ", ".join(observed.referrers) or "whoever manages the settings at the store"
        return Waiting(
            "Rotating",
            f"the Secret's new key pair is {successor}: {users} has to try it on the bucket and switch; until then "
            f"{current} stays in use, so nothing is interrupted",
            cause=SYNCED,
            after=_LOOK_AGAIN,
        )
    assert observed.pair is not None
    keys = credential.spec.source.static_keys
    secret = f"Secret {credential.metadata.namespace}/{keys.secret_ref.name}" if keys else "the source"
    by = ", ".join(f"{each.settings} ({each.code} {each.reason})" for each in refusals)
    return Stalled(
        "KeyRefused",
        f"the Secret's new key pair (access key id …{observed.pair.access_key_id[-4:]}, {successor}) was refused when "
        f"it was tried on the bucket by {by}; {current} stays in use, so nothing is interrupted. To mend it: put a key "
        f"pair that works into {secret}, or mend what the condition BucketVerified names there; it is tried again by "
        "itself",
        cause=SYNCED,
    )


def _retire(credential: AwsCredential, observed: Observed, *, heir: str) -> tuple[Action, ...]:
    """Predecessors that may go, and what a killed process had made and nobody wants any more."""
    ours = _ours(credential, observed)
    if heir not in observed.in_settings and ours & observed.in_settings:
        return ()  # the settings have yet to try the heir
    return _removal(_unwanted(credential, observed, keep={heir}), heir=heir)


def _removal(sids: set[str], *, heir: str) -> tuple[Action, ...]:
    """Nothing may be left that is reached with a credential that goes."""
    return tuple(action for sid in sorted(sids) for action in (Replace(sid, by=heir), Delete(sid)))


def _unwanted(credential: AwsCredential, observed: Observed, *, keep: set[str]) -> set[str]:
    since = {each.sid: each.since for each in credential.status.retiring or ()}
    unwanted = set()
    for sid in _ours(credential, observed) - keep - observed.in_settings:
        if observed.in_uploaders is not None and sid not in observed.in_uploaders:
            unwanted.add(sid)
        elif sid not in since:  # never in use that we know of; where uploaders can be asked, they have said otherwise
            unwanted |= {sid} if observed.in_uploaders is None else set()
        elif _retired_for(sid, since[sid], observed) >= LONGEST_RETIREMENT:
            unwanted.add(sid)
    return unwanted


def _retired_for(sid: str, since: datetime, observed: Observed) -> float:
    """Seconds; it was another replica's clock, perhaps, or another time of ours, that wrote `since`."""
    return waited_for(since, now=observed.now, watched=observed.watched.get(sid, 0.0))


def _ours(credential: AwsCredential, observed: Observed) -> set[str]:
    """What at the store was made for this object."""
    status = credential.status
    known = {status.sid, status.pending_sid, *(each.sid for each in status.retiring or ())}
    return {item.sid for item in observed.items if item.sid in known or belongs(item, observed.tag)}


def _still_there(credential: AwsCredential, sids: set[str], *, but: str) -> list[RetiringCredential]:
    return [each for each in credential.status.retiring or () if each.sid in sids and each.sid != but]


def _retiring(entries: Sequence[RetiringCredential]) -> list[dict[str, object]] | None:
    return [each.dump() for each in entries] or None


def _without_secret(failure: Verdict, current: str | None) -> Verdict:
    if current is None:
        return failure
    message = f"{failure.message}. The store keeps {current}, made from its last content, and goes on with it"
    return Waiting(failure.reason, message, cause=REFS, ready=Truth.FALSE)
