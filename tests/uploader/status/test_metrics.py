"""Prometheus' view of an uploader."""

import subprocess
import sys
import urllib.request
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from recording_storage.domain.states import RecordingState
from recording_storage.protocol.sync import Tally
from recording_storage.uploader.core.recording import EntryError, Reason
from recording_storage.uploader.core.status import DestinationStatus, StateReason, Status
from recording_storage.uploader.status.metrics import PREFIX, MetricsServer, UploaderCollector
from recording_storage.uploader.status.requests import LinkState
from tests.uploader.store_link.conftest import ACCOUNT
from tests.waiting import SOON

STATUS = Status(
    spool="/spool",
    spool_id="11111111-2222-3333-4444-555555555555",
    started_at=900.0,
    standby=False,
    states={RecordingState.PARKED: Tally(count=2, size=500)},
    oldest=940.0,
    unfinished=3,
    free_bytes=7000,
    total_bytes=9000,
    intake_stopped="",
    destinations=[
        DestinationStatus(
            account_sid=ACCOUNT, destination_id="d1", url="https://s3/bucket", state="held", concurrency=4, error="gone"
        ),
        DestinationStatus(
            account_sid=ACCOUNT, destination_id="d2", url="https://s3/other", state="failing", concurrency=8, error="x"
        ),
    ],
    applied_revisions={ACCOUNT: 7},
    last_error="",
    counters={"stored": 5, "stored_bytes": 1234, "failures": 3, "failures_transient": 2, "failures_hold": 1},
)


class View:
    def status(self) -> Status:
        return STATUS

    def reasons(self) -> list[StateReason]:
        why = {Reason.NO_PLAN: 2, Reason.UNREADABLE: 1}
        return [
            StateReason(state=RecordingState.WAITING, error=EntryError("hold", code, ""), count=count, retry_at=None)
            for code, count in why.items()
        ]


@pytest.fixture
def metrics() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    view: Any = View()
    collector = UploaderCollector(
        view, link=lambda: LinkState("store", connected=True, plan="awaited", assigned=False), now=lambda: 1000.0
    )
    server = MetricsServer(collector, host="127.0.0.1", port=0)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=SOON) as answer:
        text = answer.read().decode()
    server.close()
    return {
        (sample.name.removeprefix(f"{PREFIX}_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_states_sizes_and_the_oldest(metrics):
    assert metrics["recordings", (("state", "parked"),)] == 2
    assert metrics["recordings", (("state", "held"),)] == 0
    assert metrics["recordings_bytes", (("state", "parked"),)] == 500
    assert metrics["oldest_recording_age_seconds", ()] == 60


def test_counters_and_failures_by_class(metrics):
    assert metrics["stored_total", ()] == 5
    assert metrics["stored_bytes_total", ()] == 1234
    assert metrics["failures_by_class_total", (("class", "transient"),)] == 2


def test_destinations_disk_store_and_plan(metrics):
    assert metrics["destination_held", (("account_sid", ACCOUNT), ("destination_id", "d1"))] == 1
    assert metrics["destination_failing", (("account_sid", ACCOUNT), ("destination_id", "d1"))] == 0
    assert metrics["destination_failing", (("account_sid", ACCOUNT), ("destination_id", "d2"))] == 1
    assert metrics["spool_free_bytes", ()] == 7000
    assert metrics["store_up", ()] == 1
    assert metrics["plan_in_force", ()] == 0
    assert metrics["waiting_for_plan", (("reason", "NoPlan"),)] == 2
    assert metrics["waiting_for_plan", (("reason", "NoSettings"),)] == 0
    assert metrics["waiting_for_plan", (("reason", "NoSpoolConfig"),)] == 0
    assert metrics["spool_assigned", ()] == 0
    assert metrics["plan_revision", (("account_sid", ACCOUNT),)] == 7


def test_the_process_itself_is_measured_too(metrics):
    assert metrics["process_resident_memory_bytes", ()] > 0


@pytest.mark.parametrize("module", ["control_socket", "requests", "idle"])
def test_what_the_uploader_starts_with_imports_no_heavy_library(module: str):
    heavy = ("pydantic", "prometheus_client", "httpx", "cryptography", "rich")
    code = f"import sys, recording_storage.uploader.status.{module}; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
