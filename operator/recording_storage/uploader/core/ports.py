"""What the uploader's core needs of the world; each port has a real adapter and a fake in the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from recording_storage.domain.proof import Voucher
    from recording_storage.domain.states import RecordingState
    from recording_storage.protocol.plan import AccountPlan
    from recording_storage.protocol.recordings import MediaCompleted
    from recording_storage.protocol.sync import Command, SpoolAssignment, SpoolReport
    from recording_storage.s3.payload import Buffer
    from recording_storage.s3.types import OpenUpload, Part, StoredObject
    from recording_storage.uploader.core.recording import Recording
    from recording_storage.uploader.core.status import StateReason, Status


class Clock(Protocol):
    """Time, and waiting; a test's clock waits without sleeping."""

    def now(self) -> float:
        """POSIX time in seconds."""

    def monotonic(self) -> float:
        """Seconds since any fixed moment; uploader running time is measured with it."""

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Wait for `event`, at most `timeout` seconds (None: without limit); whether it is set."""


class ObjectStore(Protocol):
    """A bucket as `s3.client.S3Client` presents it; every error is an `S3Failure`."""

    def put_object(
        self,
        key: str,
        body: Buffer,
        *,
        metadata: Mapping[str, str] = ...,
        content_type: str = ...,
        if_none_match: bool = ...,
        sha256: str = ...,
        voucher: Voucher = ...,
        wrong: bool = ...,
    ) -> StoredObject: ...

    def create_multipart(
        self, key: str, *, metadata: Mapping[str, str] = ..., content_type: str = ..., voucher: Voucher = ...
    ) -> str: ...

    def upload_part(self, key: str, *, upload_id: str, number: int, body: Buffer, voucher: Voucher = ...) -> Part: ...

    def complete_multipart(
        self, key: str, *, upload_id: str, parts: Sequence[Part], if_none_match: bool = ...
    ) -> StoredObject: ...

    def abort_multipart(self, key: str, *, upload_id: str) -> None: ...

    def list_multipart_uploads(self, *, prefix: str = ...) -> Iterator[OpenUpload]: ...

    def list_parts(self, key: str, *, upload_id: str) -> list[Part]: ...

    def close(self) -> None: ...


class SourceHooks(Protocol):
    """What a settings source calls, in a thread of its own; the scheduler is behind it; none blocks for long."""

    def report(self) -> SpoolReport:
        """How the spool stands now."""

    def plans(self, plans: Mapping[str, AccountPlan], *, assignment: SpoolAssignment | None) -> None:
        """Every plan that is ours from now on, by account; journalled without secrets when it returns.

        `assignment` says whose recordings are on the spool; None: the token does.

        A plan that is missing is no longer ours: recordings already pinned go on waiting for a credential.
        """

    def commands(self, commands: Sequence[Command]) -> Mapping[str, int | None]:
        """Each is done once, and journalled as done when it returns; known ids change nothing.

        Gives how many recordings each has moved; None: it was done before.

        Raises:
            JournalError: nothing of it is done; to be sent again.
        """


class SettingsSource(Protocol):
    """Where plans and commands come from: the store, or a file."""

    def start(self, hooks: SourceHooks) -> None:
        """Begin to call the hooks. Does not wait for the store."""

    def refresh(self, *, timeout: float) -> bool:
        """Wait until every plan has been brought anew by something that began after this call.

        A refused key is looked up with it. False: no answer in `timeout` seconds; the plans at hand stay in force.
        """

    def report_soon(self) -> None:
        """Something that people look at has changed."""

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The receiver of reports will not take this one as it is; asking again without a change is of no use."""

    account_sid: str
    sid: str
    seq: int
    code: str
    message: str


class Outbox(Protocol):
    """What the journal has to tell, and what becomes of it. Called from the reporter's thread only."""

    def pending(self, limit: int, *, without: Collection[str] = ()) -> Sequence[Recording]:
        """Recordings that changed since the receiver last took them, oldest change first; none of accounts `without`.

        Recordings without an account are never among them.
        """

    def stored(self, limit: int) -> Sequence[Recording]:
        """Recordings in state `stored` alone, for a receiver that wants nothing else."""

    def taken(self, recordings: Sequence[Recording]) -> None:
        """The receiver has these, up to their `seq`, for good; journalled when it returns.

        One in state `stored` becomes `reported`, and its file is released.
        """

    def outrun(self, newest: Sequence[tuple[Recording, int]]) -> None:
        """The receiver has a higher `seq` of these, from before this journal was lost or restored, and took nothing.

        They get a still higher one, and are pending again.
        """

    def refused(self, refusals: Sequence[Refusal]) -> None:
        """A clear error on each; they are not pending again until they change. Nothing is released."""


class Reporter(Protocol):
    """Tells somebody how recordings stand: the store, or a file of receipts. Runs a thread of its own."""

    @property
    def tells_ends(self) -> bool:
        """Whether it tells of a recording's end (`released`, `deleted`), too; if not, nobody waits to hear of it."""

    def start(self, outbox: Outbox) -> None: ...

    def wake(self) -> None:
        """Something changed."""

    def close(self) -> None:
        """Finish what is being told, then stop; called after the last upload has ended."""


class MediaStore(Protocol):
    """The store's own media storage: the destination of recordings while external storage is off."""

    def store(self, recording: Recording, *, fd: int, stop: threading.Event) -> MediaCompleted:
        """Bring the file there, going on where an earlier try ended.

        Args:
            recording: registers itself under its sid.
            fd: the file, open for reading; read with `pread` only.
            stop: set when the uploader stops: raise a transient failure soon.

        Raises:
            S3Failure: its class says how to go on.
        """


class StatusView(Protocol):
    """What the metrics may ask of an uploader, whether it works or stands by; from any thread."""

    def status(self) -> Status: ...

    def reasons(self) -> Sequence[StateReason]:
        """Why unfinished recordings are where they are, the most frequent first."""


class StateView(StatusView, Protocol):
    """What `recordings`, `retry` and `status` may ask of a spool besides; from any thread."""

    def recordings(
        self, *, after: int = 0, limit: int = 1000, states: Collection[RecordingState] = (), sids: Collection[str] = ()
    ) -> Sequence[Recording]:
        """Those with an id above `after`, in the order of ids; empty collections mean all."""

    def retry(self, sids: Collection[str] | None) -> Sequence[str]:
        """Try again what is parked or rejected (None: all of it; also what waits or is held); the sids that moved."""

    def obstacle(self, recording: Recording) -> str:
        """Why it is not tried now although somebody asked for that; empty where it is."""
