"""The thread that stays in touch with the store: report out, plans and commands in.

One thread and one exchange at a time, so an older plan can never replace a newer one. Whoever needs an answer at once
(a refused key, an urgent report) interrupts the long poll instead of opening a second line.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from recording_storage.domain.backoff import some_jitter
from recording_storage.protocol.sync import SpoolPlace, SyncRequest, SyncResponse
from recording_storage.uploader.core.ports import SourceHooks
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.store_link.api import StoreApi
from recording_storage.uploader.store_link.http import StoreRefusedError, StoreUnreachableError

log = logging.getLogger(__name__)

LONG_POLL = 20.0
"""Seconds that the store may keep us waiting; a change comes at once, and a report is never older than this."""
BACKOFF_FIRST, BACKOFF_MOST = 0.5, 30.0
"""Seconds, of which a random part is waited: ten thousand uploaders must not come back in one moment."""
REPORT_GAP = 2.0
"""Seconds between two reports that interrupt the long poll."""


class StoreSync:
    """The port `SettingsSource`: `start`, then `close`; the other methods may be called from any thread."""

    def __init__(
        self,
        connect: Callable[[], StoreApi],
        *,
        accounts: Sequence[str] = (),
        place: SpoolPlace | None = None,
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is connected to yet.

        Args:
            connect: a fresh connection.
            accounts: plans are asked for these only; empty: for all that the token is good for.
            place: where the spool is; None: no cluster knows it.
            answered: called in the thread when the store is in touch again, and after each new plan.
        """
        self._connect = connect
        self._accounts = list(accounts)
        self._place = place
        self._told = answered
        self._hooks: SourceHooks | None = None
        self._thread = threading.Thread(target=self._run, name="store-sync", daemon=True)
        self._changed = threading.Condition()
        # Below: guarded by _changed.
        self._api: StoreApi | None = None
        self._closing = False
        self._asked = 0
        """Fresh exchanges asked for so far, …"""
        self._answered = 0
        """… and how many of them the last exchange has answered."""
        self._in_vain = 0
        """The same for the last exchange that failed."""
        self._connected = False
        self._meanwhile = "recordings wait until it has answered since the start"
        """What goes on without the store."""
        self._error = ""
        self._interrupted_at = float("-inf")
        self._later: threading.Timer | None = None
        """The report that waits for REPORT_GAP to pass."""

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def error(self) -> str:
        """Why the last exchange failed; empty when it didn't."""
        return self._error

    def start(self, hooks: SourceHooks) -> None:
        """Begin; `hooks` are called in the thread of the exchange."""
        self._hooks = hooks
        self._thread.start()

    def close(self, *, timeout: float = 2.0) -> None:
        with self._changed:
            self._closing = True
            if self._later is not None:
                self._later.cancel()
            self._interrupt()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def refresh(self, *, timeout: float) -> bool:
        """Wait for one exchange that begins after this call and brings every plan anew; False when it failed."""
        deadline = time.monotonic() + timeout
        with self._changed:
            self._asked += 1
            ticket = self._asked
            self._interrupt()
            self._changed.wait_for(
                lambda: self._closing or max(self._answered, self._in_vain) >= ticket, deadline - time.monotonic()
            )
            return self._answered >= ticket

    def report_soon(self) -> None:
        """Something that people look at has changed: tell it now, but not more often than each two seconds."""
        with self._changed:
            if self._later is not None or self._closing:
                return
            gap = self._interrupted_at + REPORT_GAP - time.monotonic()
            if gap <= 0:
                self._interrupt()
                return
            self._later = threading.Timer(gap, self._report_now)
            self._later.daemon = True
            self._later.start()

    def _report_now(self) -> None:
        with self._changed:
            self._later = None
            self._interrupt()

    def _interrupt(self) -> None:
        self._interrupted_at = time.monotonic()
        if self._api is not None:
            self._api.abort()
            self._api = None
        self._changed.notify_all()

    def _run(self) -> None:
        hooks = self._hooks
        assert hooks is not None
        failures = 0
        known = ""
        done: Mapping[str, int | None] = {}
        while True:
            with self._changed:
                if self._closing:
                    return
                if self._api is None:
                    self._api = self._connect()
                api, asked = self._api, self._asked
                fresh = asked > self._answered
            wait = LONG_POLL if not (fresh or done) and self._connected else 0.0
            try:
                request = SyncRequest(
                    report=hooks.report(),
                    accounts=self._accounts,
                    place=self._place,
                    known="" if fresh else known,
                    wait_seconds=wait,
                    acknowledged=list(done),
                    retried={command: count for command, count in done.items() if count is not None},
                )
                answer = api.sync(request)
                done = _take(answer, hooks)
            except (StoreUnreachableError, StoreRefusedError, JournalError) as error:
                failures = self._failed(api, asked=asked, error=error, failures=failures)
                continue
            failures = 0
            known = answer.etag
            if self._succeeded(asked) or answer.plans is not None:
                self._told()

    def _succeeded(self, asked: int) -> bool:
        """Whether the store had been out of reach."""
        with self._changed:
            back = not self._connected
            if back:
                log.info("in touch with the store")
            self._answered = max(self._answered, asked)
            self._connected, self._error = True, ""
            self._meanwhile = "uploads go on with the plan at hand"
            self._changed.notify_all()
            return back

    def _failed(self, api: StoreApi, *, asked: int, error: Exception, failures: int) -> int:
        """Wait as long as the failure wants; gives the failures in a row. A journal that is full is one of them."""
        api.close()
        with self._changed:
            if self._closing or self._api is not api:  # we interrupted it ourselves
                self._changed.notify_all()
                return failures
            self._api = None
            if self._connected or str(error) != self._error:
                log.warning("no exchange with the store, %s: %s", self._meanwhile, error)
            self._connected, self._error = False, str(error)
            self._in_vain = asked
            self._changed.notify_all()
            pause = some_jitter(failures + 1, uniform=random.uniform, first=BACKOFF_FIRST, most=BACKOFF_MOST)
            self._changed.wait_for(lambda: self._closing or self._asked > asked, pause)
        return failures + 1


def _take(answer: SyncResponse, hooks: SourceHooks) -> Mapping[str, int | None]:
    """Plans first: a retry that was asked for together with a mended plan must find it. Gives what to acknowledge."""
    if answer.plans is not None:
        hooks.plans(answer.plans, assignment=answer.assignment)
    return hooks.commands(answer.commands) if answer.commands else {}
