"""RecordingSpool: the folder on a volume where a recorder leaves its files."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from recording_storage.resources.common import (
    SET,
    Column,
    Count,
    Duration,
    FixedAccountRef,
    Int64,
    Names,
    ObjectName,
    Part,
    RecordingSid,
    Resource,
    Status,
    map_list,
)
from recording_storage.resources.rules import Between, Reason, immutable, rule, rules

SAMPLE_SIZE = 10
"""Parked recordings that the status names; the rest is counted."""


class AccountFrom(StrEnum):
    SPOOL = "Spool"
    METADATA = "Metadata"
    TOP_DIRECTORY = "TopDirectory"


class Layout(StrEnum):
    FILES = "Files"
    DIRECTORIES = "Directories"


class CompletionMode(StrEnum):
    AUTO = "Auto"
    MARKER = "Marker"


class Volume(Part):
    """The folder on a volume."""

    claim_name: ObjectName
    """Name of the PersistentVolumeClaim in this namespace."""
    sub_path: Annotated[
        str,
        Field(
            max_length=1024,
            json_schema_extra=rules(
                rule(
                    r"!self.startsWith('/') && !self.matches('(^|/)\\.\\.(/|$)')",
                    message="must be a path inside the volume: no leading slash and no '..'",
                )
            ),
        ),
    ] = ""
    """Folder on the volume; empty for its root."""


class Completion(Part):
    """How a finished file is told from one that is still written."""

    mode: CompletionMode = CompletionMode.AUTO
    """Auto: NAME.done, or on a local file system nobody has it open for writing and it has not changed for settle.
    Marker: NAME.done only, or a rename into place."""
    settle: Annotated[Duration, Between("1s", "1h")] = "5s"
    """How long a file must not have changed, from 1s to 1h."""


class RecordingSpoolSpec(Part):
    """The spool that is wanted."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.accountFrom == 'Spool' || size(self.allowedAccounts) > 0",
                message="allowedAccounts is required unless accountFrom is Spool",
                reason=Reason.REQUIRED,
                field_path=".allowedAccounts",
            ),
            rule(
                "self.accountFrom != 'Spool' || size(self.allowedAccounts) == 0",
                message="allowedAccounts may only be given when accountFrom is Metadata or TopDirectory",
                reason=Reason.FORBIDDEN,
                field_path=".allowedAccounts",
            ),
        )
    )

    volume: Annotated[
        Volume,
        Field(json_schema_extra=rules(immutable("volume", remedy="create another RecordingSpool for another folder"))),
    ]
    """The folder on a volume. Immutable."""
    account_ref: FixedAccountRef
    """The account that owns the spool, and every recording that names none. Immutable."""
    account_from: AccountFrom = AccountFrom.SPOOL
    """What tells a recording's account. Spool: always accountRef. Metadata: account_sid of its JSON. TopDirectory: the
    name of the first folder below the spool. Only accountRef's and allowedAccounts' are admitted."""
    allowed_accounts: Annotated[tuple[ObjectName, ...], Field(max_length=64, json_schema_extra=SET)] = ()
    """Names of further RecordingAccounts, beside accountRef in its namespace, that recordings here may belong to."""
    layout: Layout = Layout.FILES
    """Files: each media file is a recording. Directories: each folder with its segments and playlist is one."""
    completion: Completion = Completion()
    """How a finished file is told from one that is still written."""


class Tally(Part):
    """Number and size of the recordings in one state."""

    count: Count = 0
    """Number of recordings."""
    bytes: Count = 0
    """Their size in bytes."""


class Uploader(Part):
    """The uploader that attends the spool."""

    version: Annotated[str, Field(max_length=64)] | None = None
    """Its version."""
    pod: Annotated[str, Field(max_length=253)] | None = None
    """The pod it runs in."""
    last_seen: datetime | None = None
    """Its last report to the store."""


class SpoolError(Part):
    """The last thing that went wrong."""

    code: Annotated[str, Field(max_length=128)]
    """Short code, such as AccessDenied or NoSuchBucket."""
    message: Annotated[str, Field(max_length=1024)]
    """What went wrong."""
    at: datetime | None = None
    """When."""


class ParkedRecording(Part):
    """One recording that waits for a person."""

    sid: RecordingSid
    """Its sid: the value for the annotation retry-recording."""
    file: Annotated[str, Field(max_length=1024)] | None = None
    """Its file below the spool."""
    bytes: Count | None = None
    """Its size in bytes."""
    code: Annotated[str, Field(max_length=128)] | None = None
    """What it failed with."""
    since: datetime | None = None
    """When it was parked."""


class RetryState(StrEnum):
    ASKED = "Asked"
    ACKNOWLEDGED = "Acknowledged"
    REFUSED = "Refused"


class Retry(Part):
    """The retry that was asked for last."""

    command: Annotated[str, Field(max_length=36)] | None = None
    """The store's command that it has become."""
    state: RetryState
    """Asked: the uploader has not taken it yet. Acknowledged: it has. Refused: the annotation's value is no sid."""
    retried: Count | None = None
    """How many recordings go on by it, once the uploader has said so."""


class RecordingSpoolStatus(Status):
    """The spool as its uploader reports it."""

    spool_id: Annotated[str, Field(max_length=36)] | None = None
    """The spool's own id, a UUID that is kept on the volume."""
    pending: Tally | None = None
    """Found, not yet begun."""
    uploading: Tally | None = None
    """On their way."""
    waiting: Tally | None = None
    """Failed for now, tried again by themselves."""
    held: Tally | None = None
    """Wait until their destination is mended."""
    parked: Tally | None = None
    """Kept without further tries until a retry is asked for."""
    rejected: Tally | None = None
    """Kept after a fatal error until a retry is asked for."""
    oldest: datetime | None = None
    """When the oldest recording that is not uploaded was found."""
    free_bytes: Count | None = None
    """Space left on the volume, in bytes."""
    time_to_full: Annotated[str, Field(max_length=32)] | None = None
    """How long the volume will last at the present rate, such as 3h20m; absent while it doesn't fill."""
    applied_revision: Int64 | None = None
    """Revision of the settings that the uploader runs."""
    uploader: Uploader | None = None
    """The uploader that attends the spool."""
    last_error: SpoolError | None = None
    """The last thing that went wrong."""
    parked_sample: (
        Annotated[list[ParkedRecording], Field(max_length=SAMPLE_SIZE, json_schema_extra=map_list("sid"))] | None
    ) = None
    """The oldest parked or rejected recordings, ten at most."""
    last_handled_retry_at: Annotated[str, Field(max_length=253)] | None = None
    """The last value of the annotation retry-requested-at that was passed on."""
    last_handled_retry_recording: Annotated[str, Field(max_length=253)] | None = None
    """The last value of the annotation retry-recording that was passed on."""
    retry: Retry | None = None
    """The retry that was asked for last."""


class RecordingSpool(Resource):
    """A folder on a volume where a recorder leaves its files, and what has become of them."""

    names: ClassVar[Names] = Names(plural="recordingspools", singular="recordingspool", short="recspool")
    columns: ClassVar[tuple[Column, ...]] = (
        Column(name="Account", path=".spec.accountRef.name", description="RecordingAccount that owns the spool"),
        Column(name="Claim", path=".spec.volume.claimName", description="PersistentVolumeClaim"),
        Column(name="Waiting", path=".status.waiting.count", type="integer", description="Failed for now"),
        Column(name="Parked", path=".status.parked.count", type="integer", description="Wait for a retry on request"),
        Column(name="Pending", path=".status.pending.count", type="integer", description="Not yet begun", priority=1),
        Column(name="Held", path=".status.held.count", type="integer", description="Destination broken", priority=1),
        Column(name="Rejected", path=".status.rejected.count", type="integer", description="Fatal errors", priority=1),
        Column(
            name="Free", path=".status.freeBytes", type="integer", description="Bytes left on the volume", priority=1
        ),
        Column(name="Uploader", path=".status.uploader.version", description="Version of the uploader", priority=1),
    )
    selectable: ClassVar[tuple[str, ...]] = (
        ".spec.accountRef.name",
        ".spec.accountRef.namespace",
        ".spec.volume.claimName",
    )

    kind: Literal["RecordingSpool"] = "RecordingSpool"
    spec: RecordingSpoolSpec
    """The spool that is wanted."""
    status: RecordingSpoolStatus = RecordingSpoolStatus()
    """The spool as its uploader reports it."""
