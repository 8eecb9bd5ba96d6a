"""What a finished file becomes: whose it is, its sid, where it goes; or what is wrong with it."""

from __future__ import annotations

import logging
import os
from enum import StrEnum
from functools import cache, partial
from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass
from recording_storage.domain.sids import SidPrefix, derived_sid, is_sid
from recording_storage.domain.states import FINAL, RecordingState
from recording_storage.uploader.core.recording import MENDABLE, EntryError, Reason
from recording_storage.uploader.journal import queries, records, renewal
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.journal.pinning import pin
from recording_storage.uploader.spool.sidecar_file import (
    MAX_BYTES,
    NOTHING_SAID,
    SUFFIX,
    Metadata,
    MetadataError,
    content_type,
    parse,
)
from recording_storage.uploader.spool.walk import identity_of, open_media

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from recording_storage.domain.states import Product
    from recording_storage.uploader.core.plans import PlanBook
    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.journal.database import Journal
    from recording_storage.uploader.journal.on_commit import Stop
    from recording_storage.uploader.journal.pinning import Pin
    from recording_storage.uploader.spool.folder import Spool
from recording_storage.uploader.spool.walk import FoundFile

log = logging.getLogger(__name__)


class AccountFrom(StrEnum):
    """Who says whose a recording is."""

    SPOOL = "Spool"
    """The metadata where it names an account, else the spool's own."""
    METADATA = "Metadata"
    """The metadata alone."""
    TOP_DIRECTORY = "TopDirectory"
    """The first folder's name."""


def _parked(code: Reason, message: str) -> EntryError:
    return EntryError(FailureClass.FILE.value, code.value, message)


class Registration:
    """Enters finished files. Used by the intake's thread."""

    def __init__(
        self, spool: Spool, *, journal: Journal, plans: PlanBook, clock: Clock, account_from: AccountFrom
    ) -> None:
        self._spool = spool
        self._journal = journal
        self._plans = plans
        self._clock = clock
        self._account_from = account_from
        self._seen_wrong: dict[str, tuple[object, ...]] = {}
        """By path: what a mendable entry's file looked like right before it was last found wrong."""

    def is_mended(self, file: FoundFile) -> bool:
        """Whether anything about a file that was found wrong is different now; then `enter` is to look at it."""
        looks = self._looks(file)  # before it is read: metadata may be written to just now
        if self._seen_wrong.get(file.path) == looks:
            return False
        self._seen_wrong[file.path] = looks
        return True

    def look_again(self, path: str) -> None:
        """Forget what an entry's file looked like; from any thread."""
        self._seen_wrong.pop(path, None)

    def look_again_at_all(self) -> None:
        """The same for every entry."""
        self._seen_wrong.clear()

    def enter(self, new: list[FoundFile], *, again: list[tuple[int, FoundFile]]) -> dict[FoundFile, tuple[int, bool]]:
        """Make entries; for each file its id and whether it has to be looked at again. Raises JournalError."""
        read = [(file, self._entry(file)) for file in new]
        read_again = [(number, file, self._entry(file)) for number, file in again]
        now = self._clock.now()
        undecided: set[int] = set()

        def work(connection: sqlite3.Connection) -> dict[FoundFile, tuple[int, bool]]:
            entered: dict[FoundFile, tuple[int, bool]] = {}
            # Here and not before: plans that come meanwhile are taken by what runs after this in the journal's thread.
            pin_of = cache(partial(pin, self._plans.now))
            forgotten: list[Stop] = []
            pending = [(file, _pinned(entry, pin_of)) for file, entry in read]
            renewed = [(number, file, _pinned(entry, pin_of)) for number, file, entry in read_again]
            for number, file, entry in renewed:
                if entry.error is None and renewal.end_superseded(connection, number, entry, now=now):
                    pending.append((file, entry))
                elif entry.error is None and renewal.find_again(connection, number, file.identity, now=now):
                    entered[file] = (number, False)
                elif (
                    renewal.forget_wrong(connection, number, forgotten)
                    or renewal.forget_planless(connection, number, entry)
                    or self._is_successor(connection, number, file)
                ):
                    pending.append((file, entry))
                else:
                    entered[file] = (number, True)
            undecided.update(number for number, file, entry in renewed if file in entered and entry.error is None)
            entries = self._with_free_sids(connection, pending)
            ids = records.add(connection, [entry for _, entry in entries], now=now, told=forgotten)
            for (file, entry), number in zip(entries, ids, strict=True):
                wrong = entry.error is not None and entry.error.code in MENDABLE
                entered[file] = (number, wrong)
            return entered

        try:
            entered = self._journal.run(work)
        except JournalError:
            self._forget_looks(file for _, file in again)
            raise
        self._forget_looks(file for file, (number, wrong) in entered.items() if not wrong or number in undecided)
        return entered

    def _is_successor(self, connection: sqlite3.Connection, number: int, file: FoundFile) -> bool:
        """Whether the recording has ended meanwhile, and another file has its name: a new recording."""
        state = queries.state_of(connection, number)
        if state is not None and state not in FINAL:
            return False
        try:
            return identity_of(os.lstat(f"{self._spool.root}/{file.path}")) == file.identity
        except OSError:
            return False

    def _forget_looks(self, files: Iterable[FoundFile]) -> None:
        for file in files:
            self._seen_wrong.pop(file.path, None)

    def _looks(self, file: FoundFile) -> tuple[object, ...]:
        """Everything that mending could change."""
        try:
            beside = os.lstat(f"{self._spool.root}/{file.path}{SUFFIX}")
            metadata: object = (beside.st_ino, beside.st_size, beside.st_mtime_ns, beside.st_mode)
        except OSError:
            metadata = None
        try:
            mode: object = os.lstat(f"{self._spool.root}/{file.path}").st_mode
        except OSError:
            mode = None
        return file.identity, mode, metadata, os.access(f"{self._spool.root}/{file.path}", os.R_OK)

    def _entry(self, file: FoundFile) -> records.NewRecording:
        metadata, error = self._metadata(file)
        if error is None:
            error = self._unreadable(file)
        product = metadata.product
        account = self._account(file, metadata) if error is None else ""
        if error is None and not account and self._account_from is not AccountFrom.SPOOL:
            error = _parked(Reason.INVALID_METADATA, self._no_account(file))
        return records.NewRecording(
            sid=metadata.fields.get("recording_sid") or self.sid(file, prefix=metadata.sid_prefix),
            account_sid=account,
            product=product,
            path=file.path,
            identity=file.identity,
            content_type=content_type(os.path.splitext(file.path)[1]),  # noqa: PTH122 - a thousand of them
            metadata=metadata.fields,
            state=RecordingState.FOUND if error is None else RecordingState.PARKED,
            error=error,
        )

    def sid(self, file: FoundFile, *, prefix: SidPrefix, generation: int = 0) -> str:
        """Derived from the file; `generation` tells apart what came back under the same name with the same numbers."""
        path = f"{file.path}\0{generation}" if generation else file.path
        return derived_sid(
            prefix, spool_id=self._spool.id, path=path, size=file.identity.size, mtime_ns=file.identity.mtime_ns
        )

    def _metadata(self, file: FoundFile) -> tuple[Metadata, EntryError | None]:
        if not file.metadata:
            return NOTHING_SAID, None
        name = file.path + SUFFIX
        try:
            fd = open_media(self._spool.root, name)
            try:
                content = os.read(fd, MAX_BYTES + 1)
            finally:
                os.close(fd)
            metadata = parse(content, name=name)
        except MetadataError as error:
            return NOTHING_SAID, _parked(Reason.INVALID_METADATA, str(error))
        except FileNotFoundError:
            return NOTHING_SAID, None
        except OSError as error:
            message = f"{name} can't be read ({error.strerror}): mend or remove it"
            return NOTHING_SAID, _parked(Reason.INVALID_METADATA, message)
        if metadata.left_out:
            log.warning("%s: %s", name, metadata.what_is_left_out())
        return metadata, None

    def _unreadable(self, file: FoundFile) -> EntryError | None:
        if os.access(f"{self._spool.root}/{file.path}", os.R_OK):
            return None
        return _parked(Reason.UNREADABLE, f"{file.path} can't be read by uid {os.geteuid()}: let it be read")

    def _account(self, file: FoundFile, metadata: Metadata) -> str:
        if self._account_from is AccountFrom.TOP_DIRECTORY:
            top = file.path.partition("/")[0]
            return top if is_sid(top, SidPrefix.ACCOUNT) else ""
        return str(metadata.fields.get("account_sid", ""))

    def _no_account(self, file: FoundFile) -> str:
        if self._account_from is AccountFrom.TOP_DIRECTORY:
            return f"{file.path} is in no folder that is named by an account: put it below AC…/"
        return f"{file.path}{SUFFIX} names no account: put account_sid there"

    def _with_free_sids(
        self, connection: sqlite3.Connection, pending: list[tuple[FoundFile, records.NewRecording]]
    ) -> list[tuple[FoundFile, records.NewRecording]]:
        taken = records.taken_sids(connection, [entry.sid for _, entry in pending])
        result = []
        for file, entry in pending:
            free = entry
            if entry.sid in taken:
                free = self._renamed(connection, file, entry, taken)
            taken.add(free.sid)
            result.append((file, free))
        return result

    def _renamed(
        self, connection: sqlite3.Connection, file: FoundFile, entry: records.NewRecording, taken: set[str]
    ) -> records.NewRecording:
        prefix = SidPrefix(entry.sid[:2])
        generation = 0
        sid = self.sid(file, prefix=prefix)
        while sid in taken or records.taken_sids(connection, [sid]):
            generation += 1
            sid = self.sid(file, prefix=prefix, generation=generation)
        if "recording_sid" not in entry.metadata:
            return entry._replace(sid=sid)
        message = (
            f"{file.path}{SUFFIX} names the recording_sid {entry.sid}, which another file of this spool had before:"
            " give it one of its own, or leave it out"
        )
        # of no account, as with other wrong metadata: nobody is told of a sid that it won't have when that is mended
        return entry._replace(
            sid=sid,
            account_sid="",
            state=RecordingState.PARKED,
            pinned=False,
            destination_id=None,
            error=_parked(Reason.DUPLICATE_SID, message),
        )


def _pinned(entry: records.NewRecording, pin_of: Callable[[str, Product], Pin]) -> records.NewRecording:
    """The same with what the plans say of it, unless something is wrong with it."""
    if entry.error is not None:
        return entry
    by = pin_of(entry.account_sid, entry.product)
    return entry._replace(
        account_sid=by.account_sid,
        state=RecordingState.FOUND if by.pinned else RecordingState.WAITING,
        pinned=by.pinned,
        destination_id=by.destination_id,
        error=by.error,
    )
