"""A retry that is asked for by an annotation: passed on once, however often the operator begins anew meanwhile."""

import re
import uuid
from dataclasses import dataclass
from typing import Any

from recording_storage.protocol.accounts import CommandStatus, NewCommand
from recording_storage.protocol.sync import CommandKind
from recording_storage.resources import RecordingSpool
from recording_storage.resources.common import RETRY_ALL_ANNOTATION, RETRY_ONE_ANNOTATION, as_handled
from recording_storage.resources.recording_spool import RetryState

_SID = re.compile(r"R[ET][0-9a-f]{32}")
_IDS = uuid.UUID("7c0c1c1e-54b0-4d7f-8d0e-0a1f6d5d3c11")
"""Namespace of the commands' ids."""


@dataclass(frozen=True)
class Retry:
    command: NewCommand


@dataclass(frozen=True)
class Asked:
    """What an annotation asks for that was not passed on yet."""

    handled: dict[str, Any]
    """Fields of the status that say so, once it was."""
    command: NewCommand | None
    """None: its value makes no sense."""


def asked(spool: RecordingSpool, *, spool_id: str) -> Asked | None:
    """The next one."""
    annotations, status = spool.metadata.annotations, spool.status
    every, one = (as_handled(annotations.get(name, "")) for name in (RETRY_ALL_ANNOTATION, RETRY_ONE_ANNOTATION))
    if every and every != status.last_handled_retry_at:
        command = _command(spool, CommandKind.RETRY_ALL, every, spool_id=spool_id)
        return Asked(_handled("lastHandledRetryAt", every, command), command)
    if one and one != status.last_handled_retry_recording:
        wanted = _command(spool, CommandKind.RETRY_ONE, one, spool_id=spool_id) if _SID.fullmatch(one) else None
        return Asked(_handled("lastHandledRetryRecording", one, wanted), wanted)
    return None


def forgotten(spool: RecordingSpool) -> dict[str, Any]:
    """An annotation that was removed can ask for the same again."""
    annotations = spool.metadata.annotations
    fields = {"lastHandledRetryAt": RETRY_ALL_ANNOTATION, "lastHandledRetryRecording": RETRY_ONE_ANNOTATION}
    return {field: None for field, name in fields.items() if not annotations.get(name)}


def outcome(command: CommandStatus | None, *, spool_id: str) -> dict[str, Any]:
    """Fields of the status, once the uploader has taken the command."""
    if command is None or spool_id not in command.acknowledged_spools:
        return {}
    told: dict[str, Any] = {"command": command.id, "state": RetryState.ACKNOWLEDGED}
    if (count := command.retried.get(spool_id)) is not None:
        told["retried"] = count
    return {"retry": told}


def waits(spool: RecordingSpool) -> bool:
    return spool.status.retry is not None and spool.status.retry.state is RetryState.ASKED


def _command(spool: RecordingSpool, kind: CommandKind, value: str, *, spool_id: str) -> NewCommand:
    """The same id for the same annotation of the same object: a second time, the store has it already."""
    sid = value if kind is CommandKind.RETRY_ONE else None
    id_ = uuid.uuid5(_IDS, f"{spool.metadata.uid}\0{spool_id}\0{kind}\0{value}")
    return NewCommand(id=str(id_), kind=kind, spool_id=spool_id, recording_sid=sid)


def _handled(field: str, value: str, command: NewCommand | None) -> dict[str, Any]:
    retry = {"state": RetryState.REFUSED} if command is None else {"command": command.id, "state": RetryState.ASKED}
    return {field: value, "retry": retry}
