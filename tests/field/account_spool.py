"""A spool of several accounts, each in a folder of its own and with a bucket of its own; the store is a fake."""

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.ports import Clock
from recording_storage.uploader.spool.registration import AccountFrom
from tests.field.server import FieldBucket
from tests.uploader.spools import Running, running_at, write_finished
from tests.uploader.store_link.conftest import account_plan
from tests.uploader.store_link.fake_store import FakeStore
from tests.waiting import SOON

ENDED = frozenset({RecordingState.RELEASED, RecordingState.DELETED})


@dataclass
class AccountSpool:
    root: Path
    store: FakeStore
    buckets: dict[str, FieldBucket] = field(default_factory=dict)
    """By account."""
    contents: dict[str, bytes] = field(default_factory=dict)
    """By name on the spool: FOLDER/FILE, where the folder is the account's sid."""
    leads: int = 0
    """Destinations that there were so far."""

    def __post_init__(self) -> None:
        self.root.mkdir()
        self.token_file.write_text(self.store.token)

    @property
    def token_file(self) -> Path:
        return self.root.parent / "token"

    def add(self, bucket: FieldBucket, **policy: Any) -> str:
        """An account whose recordings go to that bucket; gives its sid. `policy`: fields of `ProductPlan`."""
        account = f"AC{len(self.buckets):032x}"
        self.lead(account, bucket, **policy)
        return account

    def lead(self, account: str, bucket: FieldBucket, **policy: Any) -> str:
        """From now on that account's recordings go to that bucket, and to no other; gives the destination's id."""
        self.buckets[account] = bucket
        self.leads += 1
        plan = account_plan(bucket=bucket.name, revision=self.leads)
        (destination,) = plan.destinations.values()
        there = destination.replace(id=f"{self.leads:032x}", endpoint=bucket.server.endpoint)
        products = {
            name: replace(product, destination_id=there.id, **policy) for name, product in plan.products.items()
        }
        self.store.set_plan(plan.replace(account_sid=account, destinations={there.id: there}, products=products))
        return there.id

    def put(self, account: str, name: str, size: int) -> None:
        """A file that was finished a minute ago."""
        path = f"{account}/{name}"
        self.contents[path] = write_finished(self.root / path, size)

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        argv = [
            sys.executable,
            "-m",
            "recording_storage.cli.main",
            "uploader",
            *("--spool", str(self.root), "--store", self.store.url, "--token-file", str(self.token_file)),
            *("--account-from", "TopDirectory", "--settle", "0s", "--grace", "5s", "--log-level", "warning"),
        ]
        with (self.root.parent / "uploader.log").open("ab") as log:
            child = subprocess.Popen(argv, stderr=log)
        try:
            yield child
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait()

    @contextmanager
    def running(self, *, clock: Clock | None = None) -> Iterator[Running]:
        """An uploader in this process."""
        with running_at(
            self.root,
            clock=clock,
            store_url=self.store.url,
            token_file=self.token_file,
            account_from=AccountFrom.TOP_DIRECTORY,
            settle=0.0,
            grace=5.0,
        ) as running:
            yield running

    def those(self, state: RecordingState) -> set[str]:
        """Names of those that the store knows to be so."""
        return {one.file for one in self.store.recordings.values() if one.state is state}

    def await_released(self, *, seconds: float = SOON) -> None:
        """Wait until the store has heard that each is released, or deleted as its policy wants it."""

        def all_ended() -> bool:
            ended = {one.file for one in self.store.recordings.values() if one.state in ENDED}
            return ended == set(self.contents)

        with self.store.changed:
            if not self.store.changed.wait_for(all_ended, timeout=seconds):
                late = [one for one in self.store.recordings.values() if one.state not in ENDED]
                unheard = set(self.contents) - {one.file for one in self.store.recordings.values()}
                log = (self.root.parent / "uploader.log").read_text(errors="replace")[-3000:]
                raise AssertionError(f"not released: {late[:5]}, unheard of: {unheard}\n{log}")

    def media(self) -> list[str]:
        """Files that are left, but the uploader's own."""
        return sorted(
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and ".recording-storage" not in path.parts
        )

    def check_all_stored(self, *, but: Collection[str] = ()) -> None:
        """Nothing lost, doubled or overwritten, nothing in another's bucket; no upload open; nothing left here.

        `but` names those that were deleted: of them nothing is stored.
        """
        assert self.media() == []
        assert self.those(RecordingState.DELETED) == set(but)
        assert self.those(RecordingState.RELEASED) == set(self.contents) - set(but)
        assert len(self.store.recordings) == len(self.contents), "told under two sids"
        told = {one.file: one for one in self.store.recordings.values()}
        for account, bucket in self.buckets.items():
            mine = [name for name in self.contents if name.startswith(f"{account}{os.sep}") and name not in but]
            stored = {told[name].media_url.partition(f"/{bucket.name}/")[2]: self.contents[name] for name in mine}
            assert {key: bucket.read(key) for key in bucket.objects} == stored
            assert bucket.uploads() == [], [(one.key, list(one.parts)) for one in bucket.storage.uploads.values()]
