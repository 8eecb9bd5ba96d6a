"""What a RecordingSpool needs, decided from what is there: who may have the folder, and whose recordings are in it."""

from collections.abc import Iterator
from typing import Any

from recording_storage.controller.cluster.index import account_key
from recording_storage.controller.core.decision import Decision
from recording_storage.controller.core.verdicts import Stalled, Verdict
from recording_storage.controller.kinds.recording_spool import retry
from recording_storage.controller.kinds.recording_spool.observed import (
    Action,
    Assign,
    Observed,
    Withdraw,
    account_asked_for,
    folder,
    is_made,
    overlap,
    rival_of,
)
from recording_storage.controller.kinds.recording_spool.reported import (
    conditions_of_report,
    conditions_unasked,
    not_injected,
    status_of,
)
from recording_storage.controller.kinds.recording_spool.retry import Retry
from recording_storage.domain.conditions import Condition, ConditionType, override, true, unknown
from recording_storage.protocol.spools import AssignSpool, SpoolInfo, SpoolStanding
from recording_storage.resources import RecordingSpool
from recording_storage.resources.recording_spool import AccountFrom, Completion, Layout

REFS, SYNCED = ConditionType.REFS_RESOLVED, ConditionType.SYNCED
RETRY_LOOK = 5.0
"""Seconds until it is asked again whether the uploader has taken a retry."""
_RESOLVED = true(REFS, "Resolved", "the account is there")


def decide(spool: RecordingSpool, observed: Observed) -> Decision[Action]:  # noqa: PLR0911 - one for each state
    """Decide the next step towards the spool's recordings belonging to its account."""
    if not observed.asked:
        return Decision(verdict=observed.failure, conditions=conditions_unasked(observed.failure))
    if is_made(spool) and _goes(spool, observed):
        return Decision(actions=(Withdraw(),), finished=True)
    found = observed.found
    conditions = conditions_of_report(found, heard=observed.heard, without=observed.without)
    status: dict[str, Any] = {}
    if found is not None and found.standing is not SpoolStanding.ELSEWHERE:
        status = status_of(found, account_sid=observed.account_sid, heard=observed.heard)
    if (verdict := _why_not(spool, observed)) is not None:
        return Decision(verdict=verdict, status=status, conditions=conditions)
    conditions = override(conditions, _RESOLVED)
    if found is None:
        message = "accepted; no uploader has reported from this folder yet"
        return Decision(status=status, conditions=conditions, message=message)
    if observed.misfit:
        attended = not_injected(observed.without) or unknown(ConditionType.ATTENDED, "OtherPod", observed.misfit)
        conditions = override(conditions, attended)
        return Decision(status=status, conditions=conditions, message="accepted; no pod of this claim has reported yet")
    if (wanted := _wanted(spool, observed, found)) is not None:
        return Decision(actions=(Assign(found.spool_id, wanted),), status=status, conditions=conditions)
    return _assigned(spool, observed, found, status=status, conditions=conditions)


def _assigned(
    spool: RecordingSpool,
    observed: Observed,
    found: SpoolInfo,
    *,
    status: dict[str, Any],
    conditions: tuple[Condition, ...],
) -> Decision[Action]:
    """What is left to do for a spool that the store has as it should be: a retry, if one is asked for."""
    status |= retry.forgotten(spool) | retry.outcome(observed.command, spool_id=found.spool_id)
    asked = retry.asked(spool, spool_id=found.spool_id) if found.report is not None else None
    if asked is not None:
        status |= asked.handled
        if asked.command is not None:
            return Decision(actions=(Retry(asked.command),), status=status, conditions=conditions)
    message = f"spool {found.spool_id} is assigned to account {observed.account_sid}"
    return Decision(
        verdict=_other_account(spool, found),
        status=status,
        conditions=override(conditions, true(SYNCED, "Synced", message)),
        message=message,
        again_after=RETRY_LOOK if retry.waits(spool) and "retry" not in status else None,
    )


def _goes(spool: RecordingSpool, observed: Observed) -> bool:
    """Of one that was made: somebody has declared the same, or nobody needs it any more."""
    here = folder(spool.spec.volume.sub_path)
    declared = any(not each.made and each.sub_path == here for each in observed.rivals)
    return declared or (observed.account_gone and not observed.heard)


def _why_not(spool: RecordingSpool, observed: Observed) -> Verdict | None:
    if fields := ", ".join(_not_served(spool)):
        message = (
            f"this version does not serve {fields} yet: leave it at its default here; the annotation "
            "recordingstorage.dev/spool-spec of the pod's asks its uploader for all of it but layout Directories"
        )
        return Stalled("NotSupported", message, cause=SYNCED)
    own = rival_of(spool)
    before = [each for each in observed.rivals if each.seniority < own.seniority]
    if (first := next((each for each in before if overlap(each.sub_path, own.sub_path)), None)) is not None:
        message = (
            f"RecordingSpool {first.name} has this folder of claim {spool.spec.volume.claim_name}, or one around or "
            "below it: delete one of the two"
        )
        return Stalled("Conflict", message, cause=SYNCED)
    if observed.failure is not None:
        return observed.failure
    if observed.hosted:
        message = "its account is at a hosted service, which assigns spools itself: refer to one at the bundled store"
        return Stalled("NotAvailableAtHostedService", message, cause=SYNCED)
    if observed.found is not None and observed.found.standing is SpoolStanding.ELSEWHERE:
        message = (
            f"spool {observed.found.spool_id} is that of another claim, or folder: one is a copy, and takes nothing. "
            "Remove .recording-storage from the copy, or delete the RecordingSpool of the other one"
        )
        return Stalled("Conflict", message, cause=SYNCED)
    return None


def _not_served(spool: RecordingSpool) -> Iterator[str]:
    spec = spool.spec
    if spec.account_from is not AccountFrom.SPOOL:
        yield f"spec.accountFrom {spec.account_from}"
    if spec.layout is not Layout.FILES:
        yield f"spec.layout {spec.layout}"
    if spec.completion.mode is not Completion().mode:
        yield f"spec.completion.mode {spec.completion.mode}"
    if spec.completion.settle != Completion().settle:
        yield "another spec.completion.settle than 5s"


def _wanted(spool: RecordingSpool, observed: Observed, found: SpoolInfo) -> AssignSpool | None:
    """None: the store has it so already."""
    label = f"{spool.metadata.namespace}/{spool.metadata.name}"
    if (found.account_sids, found.label) == ([observed.account_sid], label):
        return None
    return AssignSpool(
        namespace_uid=found.namespace_uid,
        claim=found.place.claim,
        sub_path=found.place.sub_path,
        account_sids=[observed.account_sid],
        label=label,
    )


def _other_account(spool: RecordingSpool, found: SpoolInfo) -> Verdict | None:
    """Of one that was made: a later pod asks for another account. What somebody has declared counts more."""
    if not is_made(spool) or not found.place.account:
        return None
    asked, own = account_asked_for(found.place.account, namespace=spool.metadata.namespace), account_key(spool)
    if asked == own:
        return None
    message = (
        f"pod {found.pod} asks for RecordingAccount {asked.namespace}/{asked.name}, and the claim's recordings belong "
        f"to {own.namespace}/{own.name}, as before: correct the pod, or delete this RecordingSpool to have it made anew"
    )
    return Stalled("AccountConflict", message, cause=REFS)
