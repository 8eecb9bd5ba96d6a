"""What can be learnt of a file, for the judgement whether its recorder has finished it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from recording_storage.uploader.spool.completion import Evidence, FinishRule
from recording_storage.uploader.spool.open_files import name_of, own_opens
from recording_storage.uploader.spool.unfinished import UNPROVEN, Growing
from recording_storage.uploader.spool.walk import FoundFile, identity_of, open_media
from recording_storage.uploader.spool.writers import Writers, may_lease, writers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.core.recording import Identity
    from recording_storage.uploader.spool.file_events import FileEvents
    from recording_storage.uploader.spool.filesystem import FileSystems
    from recording_storage.uploader.spool.open_files import OpenFiles


class Examiner:
    """Looks at files. `examine` is the intake's thread's, the rest anybody's."""

    def __init__(
        self,
        root: Path,
        *,
        rule: FinishRule,
        clock: Clock,
        file_systems: FileSystems,
        file_events: FileEvents,
        open_files: OpenFiles,
        drain: Callable[[], None],
    ) -> None:
        """`drain` brings the events up to this moment."""
        self._root = root
        self._resolved = os.path.realpath(root)
        self._rule = rule
        self._clock = clock
        self._file_systems = file_systems
        self._file_events = file_events
        self._open_files = open_files
        self._drain = drain

    def examine(self, file: FoundFile, growing: Growing, *, again: bool, proven: bool) -> Evidence:
        """Everything that is known of it.

        Args:
            file: as it was just found.
            growing: since when it has been so; `used_at` and `opened` are brought up to date.
            again: it was taken before, so its marker's word may be broken.
            proven: exactly this file was proven to be finished before, and has waited for something else.
        """
        unchanged = self._unchanged_for(file, growing)
        quiet = self._quiet_for(file, growing, unchanged)
        evidence = Evidence(
            marker=file.marker,
            quiet_for=quiet,
            writers=Writers.UNKNOWN,
            network=self._file_systems.is_network(file.device, f"{self._root}/{file.path}"),
            empty=file.identity.size == 0,
            watched_for=self._clock.monotonic() - growing.since,
        )
        early = unchanged < UNPROVEN if self._rule.marker_only else quiet < self._rule.settle
        if (not again) if file.marker else early:
            return evidence
        who = self._ask(file)
        if file.marker:  # and taken before: whoever was in the way then has to go, or the marker to come anew
            if who is Writers.UNKNOWN:
                who = self._seen_writers(file.device, file.identity)
            growing.opened = who is Writers.UNKNOWN and self._is_opened(file.path, since_marker=True)
            return evidence._replace(writers=who, opened=growing.opened)
        if who is not Writers.UNKNOWN:
            growing.opened = False
            moved_in = evidence.network and self._file_events.of(file.path, file.identity, links=file.links).moved_in
            return evidence._replace(writers=who, moved_in=moved_in or proven)
        self._drain()
        if not self._is_still(file):
            return evidence._replace(quiet_for=0.0)
        seen = self._file_events.of(file.path, file.identity, links=file.links)
        growing.opened = seen.opened
        moved_in = seen.moved_in or (proven and not seen.opened)
        may_finish = seen.closed or moved_in or self._rule.quiet_proof is not None
        return evidence._replace(
            writers=self._seen_writers(file.device, file.identity) if may_finish else Writers.UNKNOWN,
            closed=seen.closed,
            moved_in=moved_in,
            opened=seen.opened,
            quiet_for=self._quiet_for(file, growing, unchanged),
        )

    def is_opened(self, path: str, status: os.stat_result) -> bool:
        """Whether somebody else has what has this name open, as far as that can be seen where no lease can be had.

        That is: he was seen to open it since the uploader came, or a process that may be seen has it open for writing.
        """
        return self._is_opened(path, since_marker=False) or self._is_written(status)

    def is_reopened(self, path: str, fd: int) -> bool:
        """The same for an upload that has it open itself; of opens, of those after the file's marker, if it has one.

        Args:
            path: the name by which it was found; it may have been renamed since.
            fd: the upload's own.
        """
        before = name_of(fd, root=self._resolved)
        self._drain()
        names = {before or path, name_of(fd, root=self._resolved) or path}  # of a rename just now, one was drained
        if any(self._is_others(name, since_marker=True, ours=1) for name in names):
            return True
        return self._is_written(os.fstat(fd))

    def _is_opened(self, path: str, *, since_marker: bool) -> bool:
        self._drain()
        return self._is_others(path, since_marker=since_marker, ours=0)

    def _is_others(self, path: str, *, since_marker: bool, ours: int) -> bool:
        """Whether any open of it is somebody else's; `ours` are surely our own, which saves looking for them."""
        opens = self._file_events.opens(path, since_marker=since_marker)
        return opens > ours and opens > own_opens(f"{self._root}/{path}")

    def _is_written(self, status: os.stat_result) -> bool:
        return self._seen_writers(status.st_dev, identity_of(status)) is Writers.SOME

    def _seen_writers(self, device: int, identity: Identity) -> Writers:
        """Where there is no lease: whoever may be seen."""
        is_written = self._open_files.is_written(device, identity.inode)
        return Writers.SOME if is_written else Writers.UNKNOWN

    def _ask(self, file: FoundFile) -> Writers:
        """The kernel, where it would answer: opening a file in vain would be seen as somebody's use of it."""
        if not may_lease(file.owner):
            return Writers.UNKNOWN
        try:
            fd = open_media(self._root, file.path)
        except OSError:
            return Writers.UNKNOWN
        try:
            return writers(fd)
        finally:
            os.close(fd)

    def _unchanged_for(self, file: FoundFile, growing: Growing) -> float:
        unchanged = self._clock.monotonic() - growing.since
        if growing.at_start:
            return max(unchanged, self._clock.now() - file.identity.mtime_ns / 1e9)
        return unchanged

    def _is_still(self, file: FoundFile) -> bool:
        """What is seen of it tells of now, not of when it was found."""
        try:
            return identity_of(os.lstat(f"{self._root}/{file.path}")) == file.identity
        except OSError:
            return False

    def _quiet_for(self, file: FoundFile, growing: Growing, unchanged: float) -> float:
        seen = self._file_events.used_at(file.path)
        used = max((moment for moment in (growing.used_at, seen) if moment is not None), default=None)
        growing.used_at = used
        return unchanged if used is None else min(unchanged, self._clock.monotonic() - used)
