"""Whether anything may be sent under a destination's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass
from recording_storage.uploader.core.recording import EntryError, Reason

if TYPE_CHECKING:
    from recording_storage.protocol.plan import DestinationPlan


def reason(code: Reason, message: str) -> EntryError:
    """Why a destination is held."""
    return EntryError(FailureClass.HOLD.value, code.value, message)


def unusable(terms: DestinationPlan | None, *, live: bool) -> EntryError | None:
    """Why nothing may be sent under these terms."""
    if not live and (terms is None or terms.credential is None):
        return reason(Reason.NO_PLAN, "the settings store has not given its credential yet; it waits for that")
    if terms is None:
        return reason(Reason.NO_CREDENTIAL, "the plan does not name this destination any more")
    if terms.encryption is not None:
        return reason(
            Reason.ENCRYPTION_UNAVAILABLE,
            "the destination wants encryption, which this version does not have; nothing is sent in clear instead",
        )
    if terms.credential is None:
        return reason(Reason.NO_CREDENTIAL, "there is no credential for this destination: create one and enable it")
    if terms.keys is None:
        return reason(
            Reason.NO_CREDENTIAL,
            f"its credential is of type {terms.credential.type[:80]!r}, which this version can't use:"
            " run a newer uploader, or give the settings a credential of type StaticKeys",
        )
    return None
