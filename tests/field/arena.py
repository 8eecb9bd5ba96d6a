"""A spool, an uploader and an odd server, alone or with a store, and what must hold at the end whatever happens."""

import hashlib
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.recording import Recording
from tests.field.server import FieldBucket
from tests.uploader.spools import MIB, FakeClock, Running, SpoolFolder
from tests.uploader.store_link.conftest import ACCOUNT, account_plan
from tests.uploader.store_link.fake_store import FakeStore
from tests.waiting import SOON

SMALL, LARGE = 3_000, 17 * MIB
"""Bytes: one request, and three parts."""
STEP = 5.0
"""Seconds of the clock that pass between two looks."""
LONG_STEP = 30.0
LOOK_EVERY = 0.01
"""Real seconds between two looks: what a step makes due is done meanwhile."""
NEVER = frozenset({RecordingState.PARKED, RecordingState.DELETED})
"""What no recording becomes by itself, unless a row says so."""


@dataclass
class LinkedSpool(SpoolFolder):
    """One whose settings come from a store, and whose reports go there."""

    store: FakeStore | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.apply()

    @property
    def token_file(self) -> Path:
        return self.root.parent / "token"

    def apply(self, *, destination: Mapping[str, Any] | None = None, **policy: Any) -> None:
        """The plan; `destination` are fields of its destination, `policy` of a product's."""
        assert self.store is not None
        self.token_file.write_text(self.store.token)
        plan = account_plan(bucket=self.bucket.name, revision=len(self.store.plans) + 1)
        (there,) = plan.destinations.values()
        there = there.replace(endpoint=self.bucket.server.endpoint).replace(**(destination or {}))
        products = {name: replace(product, **policy) for name, product in plan.products.items()}
        self.store.set_plan(plan.replace(destinations={there.id: there}, products=products))

    def source_options(self) -> dict[str, Any]:
        assert self.store is not None
        return {"store_url": self.store.url, "token_file": self.token_file, "account_sid": ACCOUNT, "settle": 0.0}

    def check_all_stored(self) -> None:
        assert self.store is not None
        told = {report.file: report for report in self.store.recordings.values()}
        assert sorted(told) == sorted(self.contents)
        assert {report.state for report in told.values()} == {RecordingState.RELEASED}
        for name, content in self.contents.items():
            key = told[name].media_url.partition(f"/{self.bucket.name}/")[2]
            assert self.bucket.read(key) == content
        assert len(self.bucket.keys()) == len(self.contents)
        assert self.bucket.uploads() == []
        assert self.media() == []


@dataclass
class Arena:
    """What a row of the table happens in. Time is the test's: `pass_until` lets it pass."""

    spool: SpoolFolder
    bucket: FieldBucket
    size: int
    clock: FakeClock

    @property
    def names(self) -> list[str]:
        return list(self.spool.contents)

    def fill(self, count: int) -> None:
        """The longest first: where single requests are compared for that, they are for the others."""
        for number in range(len(self.names), len(self.names) + count):
            self.spool.put(f"call-{number}.wav", self.size - number)

    def pass_until_all_are(
        self, state: RecordingState, *, running: Running, unless: Collection[RecordingState] = NEVER
    ) -> dict[str, Recording]:
        """Let the clock run until each is in that state; fails at once when one is in one of `unless`."""
        return self.pass_until(dict.fromkeys(self.names, state), running=running, unless=unless)

    def pass_until(
        self, wanted: Mapping[str, RecordingState], *, running: Running, unless: Collection[RecordingState] = ()
    ) -> dict[str, Recording]:
        """The same of those in `wanted`, each with a state of its own."""
        deadline = time.monotonic() + SOON
        while True:
            found = running.recordings()
            states = {name: found[name].state for name in wanted if name in found}
            if states == wanted:
                return found
            late = [(name, state, found[name].error) for name, state in states.items() if state is not wanted[name]]
            assert time.monotonic() < deadline, late
            assert not [one for one in late if one[1] in unless], late
            self.clock.advance(STEP)
            time.sleep(LOOK_EVERY)

    def let_pass(self, seconds: float, *, running: Running) -> dict[str, Recording]:
        """How they stand after so much time of the clock."""
        for _ in range(int(seconds / LONG_STEP)):
            self.clock.advance(LONG_STEP)
            time.sleep(LOOK_EVERY)
        assert running.uploader.scheduler.idle.wait(SOON)
        return running.recordings()

    def check_nothing_lost(self, found: dict[str, Recording]) -> None:
        """Each recording is whole on the spool or whole in the bucket, and no other bytes have replaced it."""
        # what arrived otherwise than it was sent may be replaced, and what nobody vouched for by the same bytes
        there = {one.body for one in self.bucket.objects.values()}
        assert set(self.bucket.storage.replaced) & set(self.spool.contents.values()) <= there, "overwritten"
        digests = [hashlib.sha256(one.body).digest() for one in self.bucket.objects.values()]
        assert len(set(digests)) == len(digests), "stored twice"
        for name, content in self.spool.contents.items():
            path = self.spool.root / name
            is_here = path.exists() and path.read_bytes() == content
            is_there = hashlib.sha256(content).digest() in digests
            assert is_here or is_there, (name, found.get(name))
