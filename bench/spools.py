"""What RecordingSpools cost the API server while many record, on a real API server, store and operator.

Uploaders are what they send. Each report differs from the one before; it is the API server that counts writes.
"""

import argparse
import contextlib
import itertools
import json
import re
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
from tests.cluster import cluster as clusters
from tests.cluster.accounts import create_pod, create_service_account, service_account_token
from tests.cluster.fixtures import CRDS
from tests.cluster.kube import Kube
from tests.cluster.namespaces import create_namespace
from tests.controller import resources
from tests.controller.parts import Operator, Store
from tests.waiting import eventually

from bench.arguments import positive
from recording_storage.domain.states import RecordingState
from recording_storage.protocol.sync import SpoolPlace, SpoolReport, SyncRequest, Tally

NAMESPACE, CLAIMS, THREADS, BUSY = "media", 20, 4, 503
_WRITES = re.compile(
    r'^apiserver_request_total\{.*resource="recordingspools".*subresource="status".*verb="PATCH".*\} (\S+)$',
    re.MULTILINE,
)


def writes(kube: Kube) -> int:
    """Status writes to RecordingSpools so far, as the API server counts them."""
    answer = kube.api.rest_client.request("GET", f"{kube.api.configuration.host}/metrics")
    return sum(int(float(each)) for each in _WRITES.findall(answer.read().decode()))


class Uploaders:
    """All of one pod; each has a folder of its own."""

    def __init__(self, url: str, *, token: str, count: int) -> None:
        self._places = [
            (uuid.uuid4(), SpoolPlace(claim=f"c{number % CLAIMS}", sub_path=f"s{number}", account="default"))
            for number in range(count)
        ]
        self._url = url
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60)
        self.reports = 0
        self.refused = 0

    def report(self, number: int) -> None:
        id_, place = self._places[number % len(self._places)]
        self.reports += 1
        states = {RecordingState.FOUND: Tally(count=self.reports, size=self.reports)}
        report = SpoolReport(uploader_version="1", started_at=datetime.now(UTC), states=states)
        body = SyncRequest(report=report, place=place).to_json()
        answer = self._client.post(f"{self._url}/internal/v1/uploaders/{id_}/sync", content=body)
        if answer.status_code == BUSY:
            self.refused += 1  # tried again in its turn, as an uploader does
            return
        answer.raise_for_status()

    def all(self) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(self.report, range(len(self._places))):
                pass

    def keep_reporting(self, stop: threading.Event) -> None:
        """One after the other, again and again, by several at a time."""

        def work(first: int) -> None:
            for number in itertools.count(first, THREADS):
                if stop.is_set():
                    return
                self.report(number)

        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(work, range(THREADS)):
                pass


@contextlib.contextmanager
def site(count: int) -> Iterator[tuple[Kube, Uploaders, Operator]]:
    with tempfile.TemporaryDirectory(prefix="bench-spools-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        cluster = clusters.start(folder / "cluster")
        stack.callback(cluster.stop)
        kube = cluster.kube()
        for each in kube.apply(CRDS):
            kube.wait(kube.path(each), condition="Established")
        create_namespace(kube, NAMESPACE)
        store = Store(folder, allow=[], more=["--kubeconfig", str(cluster.kubeconfig)])
        operator = Operator(folder, kubeconfig=cluster.kubeconfig, store=store)
        for part in (store, operator):
            part.start()
            stack.callback(part.stop)
        kube.apply(resources.account(NAMESPACE))
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        claims = tuple(f"c{number}" for number in range(CLAIMS))
        for each in claims:
            metadata = {"name": each, "namespace": NAMESPACE}
            kube.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
        create_service_account(kube, namespace=NAMESPACE, name="media")
        create_pod(kube, namespace=NAMESPACE, name="recorder", service_account="media", claims=claims)
        token = service_account_token(
            kube, namespace=NAMESPACE, name="media", audience="recording-storage", pod="recorder"
        )
        yield kube, Uploaders(store.internal_url, token=token, count=count), operator


def measure(*, count: int, seconds: int) -> dict[str, float]:
    with site(count) as (kube, uploaders, operator):
        started = time.monotonic()

        def ready() -> bool:
            uploaders.all()
            listed = kube.list(resources.API, "RecordingSpool", namespace=NAMESPACE)
            return sum(bool(each.get("status", {}).get("pending")) for each in listed) == count

        eventually(ready, what="each spool has a resource that shows what is reported", within=900.0)
        until_shown = time.monotonic() - started
        stop = threading.Event()

        thread = threading.Thread(target=uploaders.keep_reporting, args=(stop,), daemon=True)
        thread.start()
        before, cpu, reports, per_second = writes(kube), _cpu(operator.pid), uploaders.reports, []
        began = time.monotonic()
        for _ in range(seconds):
            moment, last = time.monotonic(), writes(kube)
            time.sleep(1.0)
            per_second.append((writes(kube) - last) / (time.monotonic() - moment))
        took = time.monotonic() - began
        stop.set()
        thread.join()
        return {
            "spools": count,
            "seconds": round(took),
            "until_all_are_shown_s": round(until_shown),
            "reports_per_s": round((uploaders.reports - reports) / took, 1),
            "refused": uploaders.refused,
            "writes_per_s": round((writes(kube) - before) / took, 1),
            "writes_in_the_busiest_second": round(max(per_second), 1),
            "operator_cpu_share": round((_cpu(operator.pid) - cpu) / took, 2),
        }


def _cpu(pid: int) -> float:
    """Seconds, of user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.spools", description=__doc__)
    parser.add_argument("--spools", type=positive, default=1000)
    parser.add_argument("--seconds", type=positive, default=60, help="for how long writes are counted")
    arguments = parser.parse_args()
    sys.stdout.write(json.dumps(measure(count=arguments.spools, seconds=arguments.seconds), indent=1) + "\n")


if __name__ == "__main__":
    main()
