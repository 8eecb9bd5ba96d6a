"""Running alone: settings from a file instead of a store."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from recording_storage.uploader.standalone.config import ConfigError, read_plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from recording_storage.protocol.plan import AccountPlan
    from recording_storage.uploader.core.ports import SourceHooks
    from recording_storage.uploader.standalone.config import Config

log = logging.getLogger(__name__)


class ConfigSource:
    """The port `SettingsSource` over a configuration file; it is read again when something is looked up afresh."""

    def __init__(self, path: Path, *, apply: Callable[[AccountPlan], None]) -> None:
        """Read the file. Raises ConfigError."""
        self._path = path
        self._apply = apply
        self._lock = threading.Lock()
        self.config: Config
        self.config, self._plan = read_plan(path)

    def start(self, hooks: SourceHooks) -> None:
        """See the port; the plan is in force before this returns. A file sends no commands."""
        del hooks
        self._apply(self._plan)

    def refresh(self, *, timeout: float) -> bool:
        """See the port. A file that is wrong just now leaves the plan as it is."""
        del timeout
        with self._lock:
            try:
                _, plan = read_plan(self._path)
            except ConfigError as error:
                log.error("the configuration stays as it was: %s", error)  # noqa: TRY400 - a person's mistake
                return False
            if plan != self._plan:
                log.info("the configuration has changed")
                self._plan = plan
                self._apply(plan)
        return True

    def report_soon(self) -> None:
        """See the port; nobody listens."""

    def close(self) -> None:
        """See the port."""


class NoHooks:
    """A configuration file asks for nothing."""

    def report(self) -> Any:
        raise AssertionError("nobody asks an uploader that runs alone for reports")

    def plans(self, plans: Any, *, assignment: Any) -> None:
        del plans, assignment
        raise AssertionError("a configuration has one plan, applied as a whole")

    def commands(self, commands: Any) -> Any:
        del commands
        raise AssertionError("a configuration sends no commands")
