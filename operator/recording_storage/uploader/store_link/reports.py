"""The thread that tells the store how recordings stand, many in one call; none of them ever stops the others."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from recording_storage.domain.backoff import some_jitter
from recording_storage.protocol.base import MalformedError
from recording_storage.protocol.recordings import BatchResult, RecordingReport
from recording_storage.uploader.core.ports import Outbox, Refusal
from recording_storage.uploader.core.recording import Recording
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.store_link.api import StoreApi
from recording_storage.uploader.store_link.http import StoreRefusedError, StoreUnreachableError
from recording_storage.uploader.store_link.messages import report_of

log = logging.getLogger(__name__)

GROUP = 500
"""Recordings in one call; half of what the store takes."""
BACKOFF_FIRST, BACKOFF_MOST = 0.5, 30.0
"""Seconds, jittered."""
LAST_WORDS = 5.0
"""Seconds that the reports may take when the uploader stops."""
UNBOUND_PAUSE = 60.0
"""Seconds until an account that isn't ours is tried again, unless a new plan comes first."""
TAKEN, NOT_BOUND, CONFLICT, REFUSED, TOO_LARGE = 200, 403, 409, 422, 413


class StoreReports:
    """The port `Reporter`: `start`, `wake` whenever something changed, `close`."""

    tells_ends = True

    def __init__(self, connect: Callable[[], StoreApi]) -> None:
        self._connect = connect
        self._outbox: Outbox | None = None
        self._thread = threading.Thread(target=self._run, name="store-reports", daemon=True)
        self._changed = threading.Condition()
        # Below: guarded by _changed.
        self._woken = True
        """At the start, too: what an earlier run didn't get told is told first."""
        self._retry = False
        self._closing = False
        self._api: StoreApi | None = None
        self._unbound: dict[str, float] = {}
        """Account → when (monotonic) it is tried again."""

    def start(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._thread.start()

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def retry_now(self) -> None:
        """The store has just answered somebody else, or has sent new plans: don't wait any longer."""
        with self._changed:
            self._unbound.clear()
            self._woken = self._retry = True
            self._changed.notify_all()

    def close(self, *, timeout: float = LAST_WORDS) -> None:
        """Tell what is left, at most for `timeout` seconds and only if the store takes it; then stop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is None:
            return
        self._thread.join(timeout)
        with self._changed:
            if self._api is not None:
                self._api.abort()
        self._thread.join(1.0)

    def _run(self) -> None:
        outbox = self._outbox
        assert outbox is not None
        failures = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._woken or self._closing, self._next_unbound())
                last = self._closing
                self._woken = self._retry = False
            try:
                while self._send(outbox):
                    failures = 0
            except (StoreUnreachableError, StoreRefusedError, JournalError) as error:
                log.log(logging.WARNING if failures == 0 else logging.DEBUG, "reports wait for the store: %s", error)
                self._back_off(failures)
                failures += 1
            if last:
                return

    def _send(self, outbox: Outbox) -> bool:
        """One group; True when there was something to send."""
        group = outbox.pending(GROUP, without=self._still_unbound())
        if not group:
            return False
        reports, impossible = _reports_of(group)
        if impossible:
            outbox.refused(impossible)
        if reports:
            items, messages = zip(*reports, strict=True)
            self._settle(outbox, items, self._post(messages))
        return True

    def _post(self, group: Sequence[RecordingReport]) -> list[BatchResult]:
        """Results in the group's order. A group that is refused as a whole is halved until the culprit stands alone."""
        try:
            return self._connected().batch(group)
        except StoreRefusedError as error:
            if error.status not in {REFUSED, TOO_LARGE}:
                raise
            if len(group) == 1:
                item = group[0]
                return [BatchResult(account_sid=item.account_sid, sid=item.sid, status=REFUSED, message=error.message)]
        middle = len(group) // 2
        return self._post(group[:middle]) + self._post(group[middle:])

    def _settle(self, outbox: Outbox, group: Sequence[Recording], results: Sequence[BatchResult]) -> None:
        taken: list[Recording] = []
        outrun: list[tuple[Recording, int]] = []
        refusals: list[Refusal] = []
        for item, result in zip(group, results, strict=True):
            if result.status == TAKEN and result.seq > item.seq:
                outrun.append((item, result.seq))
            elif result.status == TAKEN:
                taken.append(item)
            elif result.status in {CONFLICT, REFUSED}:
                refusals.append(_refusal(item, result))
            else:  # not bound, or something that a newer store says: nothing is lost by asking again later
                self._pause(item.account_sid, result)
        if taken:
            outbox.taken(taken)
        if outrun:
            outbox.outrun(outrun)
        if refusals:
            outbox.refused(refusals)

    def _pause(self, account: str, result: BatchResult) -> None:
        with self._changed:
            if account not in self._unbound:
                log.warning("the store takes no reports for account %s now: %s", account, result.message)
            self._unbound[account] = time.monotonic() + UNBOUND_PAUSE

    def _still_unbound(self) -> frozenset[str]:
        now = time.monotonic()
        with self._changed:
            self._unbound = {account: at for account, at in self._unbound.items() if at > now}
            return frozenset(self._unbound)

    def _next_unbound(self) -> float | None:
        """Seconds, or None to wait until woken."""
        if not self._unbound:
            return None
        pause = min(self._unbound.values()) - time.monotonic()
        if pause <= 0:
            self._woken = True
        return max(pause, 0.0)

    def _connected(self) -> StoreApi:
        with self._changed:
            if self._api is None:
                self._api = self._connect()
            return self._api

    def _back_off(self, failures: int) -> None:
        with self._changed:
            if self._api is not None:
                self._api.close()
                self._api = None
            pause = some_jitter(failures + 1, uniform=random.uniform, first=BACKOFF_FIRST, most=BACKOFF_MOST)
            self._changed.wait_for(lambda: self._retry or self._closing, pause)
            self._woken = True


def _reports_of(group: Sequence[Recording]) -> tuple[list[tuple[Recording, RecordingReport]], list[Refusal]]:
    """What can be said, and what can't: a recorder's odd metadata must not silence the others."""
    reports: list[tuple[Recording, RecordingReport]] = []
    impossible: list[Refusal] = []
    for item in group:
        try:
            reports.append((item, report_of(item)))
        except MalformedError as error:
            reason = f"its metadata can't be reported: {error}"
            impossible.append(
                Refusal(account_sid=item.account_sid, sid=item.sid, seq=item.seq, code="ReportRefused", message=reason)
            )
    return reports, impossible


def _refusal(item: Recording, result: BatchResult) -> Refusal:
    conflict = result.status == CONFLICT
    reason = result.message or "it gave no reason"
    return Refusal(
        account_sid=item.account_sid,
        sid=item.sid,
        seq=item.seq,
        code="SidConflict" if conflict else "ReportRefused",
        message=f"the sid belongs to a recording of another spool: {reason}"
        if conflict
        else f"the store refused the report: {reason}",
    )
