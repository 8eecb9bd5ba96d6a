"""What a scheduler is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recording_storage.uploader.core.counters import Counters
    from recording_storage.uploader.core.plans import PlanBook
    from recording_storage.uploader.core.ports import Clock, MediaStore, Reporter, SettingsSource
    from recording_storage.uploader.journal.database import Journal
    from recording_storage.uploader.spool.folder import Spool
    from recording_storage.uploader.spool.release import Releaser
    from recording_storage.uploader.transfer.clients import S3Connections


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The adapters of its ports, and what it shares with other threads."""

    spool: Spool
    journal: Journal
    plans: PlanBook
    clock: Clock
    connections: S3Connections
    source: SettingsSource
    reporter: Reporter
    releaser: Releaser
    counters: Counters
    media: MediaStore | None = None
    """None where the uploader runs alone: there is no other storage."""
