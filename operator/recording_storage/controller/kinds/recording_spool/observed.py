"""What is seen of a RecordingSpool, and what can be done about it."""

from dataclasses import dataclass
from datetime import datetime

from recording_storage.controller.core.decision import Note
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.core.verdicts import Verdict
from recording_storage.controller.kinds.recording_spool.retry import Retry
from recording_storage.protocol.accounts import CommandStatus
from recording_storage.protocol.spools import AssignSpool, SpoolInfo
from recording_storage.resources import RecordingSpool

MADE_LABEL = "recordingstorage.dev/made-for"
"""On those that the operator has made for a pod's claim; the value says so."""
MADE_FOR_POD = "pod"


@dataclass(frozen=True, kw_only=True)
class Rival:
    """Another RecordingSpool on the same claim."""

    name: str
    sub_path: str
    made: bool
    created: datetime | None

    @property
    def seniority(self) -> tuple[bool, bool, datetime | None, str]:
        """The least one stays: a declared one before one that was made, then the elder."""
        return self.made, self.created is None, self.created, self.name


@dataclass(frozen=True, kw_only=True)
class Observed:
    asked: bool = True
    """The store has said where spools are; otherwise `failure` says why not."""
    failure: Verdict | None = None
    """Why its account, or the store, can't be used."""
    account_sid: str = ""
    account_gone: bool = False
    hosted: bool = False
    """The account is at a hosted service, which has spools of its own."""
    rivals: tuple[Rival, ...] = ()
    found: SpoolInfo | None = None
    """Where an uploader has found a spool there, the one that was heard of last."""
    heard: bool = False
    """Its uploader has been heard of lately."""
    without: Note | None = None
    """Why a pod that records on the claim has no uploader; None: there is no such pod."""
    command: CommandStatus | None = None
    """The retry that was asked for last, as far as it has come; None: there is none under way."""
    misfit: str = ""
    """Why the pod of a spool that is not assigned yet can't be what it says, for people."""


@dataclass(frozen=True)
class Assign:
    spool_id: str
    wanted: AssignSpool


@dataclass(frozen=True)
class Withdraw:
    """Delete the resource itself, which the operator has made."""


Action = Assign | Withdraw | Retry


def is_made(spool: RecordingSpool) -> bool:
    """Whether the operator has made it for a pod, and nobody declared it."""
    return spool.metadata.labels.get(MADE_LABEL) == MADE_FOR_POD


def rival_of(spool: RecordingSpool) -> Rival:
    return Rival(
        name=spool.metadata.name,
        sub_path=folder(spool.spec.volume.sub_path),
        made=is_made(spool),
        created=spool.metadata.creation_timestamp,
    )


def folder(sub_path: str) -> str:
    """The same for the same folder, however it is written."""
    return "/".join(part for part in sub_path.split("/") if part not in {"", "."})


def overlap(one: str, other: str) -> bool:
    """Whether one of two folders, as `folder` gives them, is the other or in it."""
    return not one or not other or f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def account_asked_for(text: str, *, namespace: str) -> Key:
    """What a pod means by `name` or `namespace/name`."""
    before, slash, name = text.rpartition("/")
    return Key(Kind.ACCOUNT, before if slash else namespace, name)
