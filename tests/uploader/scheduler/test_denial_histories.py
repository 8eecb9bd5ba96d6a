"""A bucket that denies access now and then: whatever the history, only what the rule allows is ended."""

import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from recording_storage.domain.denial import LEAST_DENIED
from recording_storage.domain.policy import DEFAULT_DENIAL_GRACE as GRACE
from recording_storage.uploader.scheduler.health import MOST_PROBE
from tests.field.exchange import Exchange
from tests.field.server import FieldServer
from tests.uploader.scheduler.test_denial import DENIED, TO_STORE, delete, is_probed, prove
from tests.uploader.spools import FakeClock, SpoolFolder
from tests.waiting import SOON, eventually

pytestmark = pytest.mark.slow


class Histories(RuleBasedStateMachine):
    """Any history of denied and granted answers, on a real scheduler under Delete, by the rule in other words."""

    def __init__(self) -> None:
        super().__init__()
        self.rest = ExitStack()
        root = Path(self.rest.enter_context(tempfile.TemporaryDirectory()))
        self.server = self.rest.enter_context(FieldServer())
        self.folder = SpoolFolder(root / "spool", self.server.bucket())  # type: ignore[arg-type]
        self.folder.write_config(policy=delete())
        self.clock = FakeClock()
        self.lock = threading.Lock()
        self.denying = False
        self.runs: list[list[tuple[float, str]]] = [[]]
        """Denied requests, with time and key, between those that passed."""
        self.server.on(TO_STORE, self.answer)
        self.running = self.rest.enter_context(self.folder.running(clock=self.clock))
        self.files = 0

    def answer(self, exchange: Exchange) -> Any:
        with self.lock:
            if not self.denying:
                self.runs.append([])
                return None
            self.runs[-1].append((self.clock.monotonic(), exchange.key))
        return DENIED(exchange)

    @initialize()
    def prove(self) -> None:
        prove(self.running, self.folder)

    def settle(self) -> None:
        self.running.uploader.intake.rescan()
        eventually(lambda: len(self.running.recordings()) == len(self.folder.contents), what="all are found")
        assert self.running.uploader.scheduler.idle.wait(SOON)

    @rule(count=st.integers(1, 12))
    def record(self, count: int) -> None:
        for _ in range(count):
            self.files += 1
            self.folder.put(f"{self.files:03}.wav")
        self.settle()

    @rule()
    def deny(self) -> None:
        self.denying = True

    @rule()
    def grant(self) -> None:
        self.denying = False

    @rule(minutes=st.integers(1, 16))
    def time_passes(self, minutes: int) -> None:
        for _ in range(2 * minutes):
            self.clock.advance(30)
            eventually(lambda: is_probed(self.running, self.clock), what="it is probed")
            self.settle()

    @invariant()
    def only_what_the_rule_allows_is_deleted(self) -> None:
        allowed: set[str] = set()
        with self.lock:
            for run in self.runs:
                if len(run) >= LEAST_DENIED and run[-1][0] - run[0][0] >= GRACE:
                    allowed |= {key for _, key in run}
        found = self.running.recordings().values()
        assert {one.object_key for one in found if one.state == "deleted"} <= allowed
        assert not any(one.state == "parked" for one in found)

    def teardown(self) -> None:
        """Once it grants access again, nobody is needed for what is left."""
        try:
            self.denying = False
            for _ in range(3):
                self.clock.advance(MOST_PROBE)
                self.settle()
            eventually(
                lambda: {one.state.value for one in self.running.recordings().values()} <= {"released", "deleted"},
                what="all have ended",
            )
            self.only_what_the_rule_allows_is_deleted()
        finally:
            self.rest.close()


Histories.TestCase.settings = settings(
    max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_history = Histories.TestCase
