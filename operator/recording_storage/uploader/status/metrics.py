"""Prometheus' view of an uploader. prometheus_client is imported here: import this only when metrics are asked for."""

import threading
from collections.abc import Callable, Iterable, Sequence
from http.server import ThreadingHTTPServer

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import MetricsHandler
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from recording_storage import __version__
from recording_storage.domain.states import RecordingState
from recording_storage.protocol.sync import Tally
from recording_storage.uploader.core.plans import Standing
from recording_storage.uploader.core.ports import StatusView
from recording_storage.uploader.core.recording import WAITS_FOR_PLAN, Reason
from recording_storage.uploader.core.status import BlockedReason, DestinationStatus, StateReason, Status
from recording_storage.uploader.status.requests import LinkState

PREFIX = "recording_storage_uploader"
_COUNTERS = {
    "stored": "Recordings whose object was stored and compared.",
    "stored_bytes": "Bytes of them.",
    "released": "Recordings whose local file was removed after the store had acknowledged them.",
    "failures": "Attempts that failed.",
    "retries": "Attempts after a failed one.",
    "parked": "Recordings that were parked.",
    "rejected": "Recordings that a fatal error ended.",
    "deleted": "Recordings that were deleted without being stored.",
    "scans": "Walks over the whole spool.",
}
_PROBES = frozenset({"/healthz", "/readyz"})
_FAILURE_PREFIX = "failures_"


class UploaderCollector(Collector):
    """Reads the uploader's state when it is asked, so nothing has to be counted twice."""

    def __init__(
        self,
        view: StatusView,
        *,
        link: Callable[[], LinkState],
        now: Callable[[], float],
        blocked: Callable[[], BlockedReason | None] = lambda: None,
    ) -> None:
        self._view = view
        self._blocked = blocked
        self._link = link
        self._now = now

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry must not ask the uploader while it starts."""
        return ()

    def collect(self) -> Iterable[Metric]:
        status = self._view.status()
        yield _gauge("info", "Version of the uploader.", {"version": __version__, "spool_id": status.spool_id}, 1)
        yield from _recordings(status, now=self._now())
        yield from _disk(status)
        yield from _destinations(status)
        yield from _counters(status)
        link = self._link()
        if link.mode == "store":
            yield _gauge("store_up", "1 while the settings store can be reached.", {}, float(link.connected))
            words = "0 until the store has answered since the start: nothing is pinned before that."
            yield _gauge("plan_in_force", words, {}, float(link.plan == Standing.IN_FORCE))
            words = "0 while the store says that the spool is assigned to no account: nothing is pinned before that."
            yield _gauge("spool_assigned", words, {}, float(link.assigned))
        yield _waiting(self._view.reasons())
        revisions = (((account,), revision) for account, revision in status.applied_revisions.items())
        yield _gauges("plan_revision", "Plan in force, by account.", ("account_sid",), revisions)
        words = "1 while this keeps the uploader from working: nothing is taken or uploaded until it is mended."
        blocked = (((reason.value,), reason == self._blocked()) for reason in BlockedReason)
        yield _gauges("blocked", words, ("reason",), blocked)
        yield _gauge("standby", "1 while another uploader holds the spool.", {}, float(status.standby))


def _recordings(status: Status, *, now: float) -> Iterable[Metric]:
    tallies = [((state.value,), status.states.get(state, Tally())) for state in RecordingState]
    counts = [(labels, tally.count) for labels, tally in tallies]
    yield _gauges("recordings", "Recordings on the spool, by state.", ("state",), counts)
    sizes = [(labels, tally.size) for labels, tally in tallies]
    yield _gauges("recordings_bytes", "Their bytes, by state.", ("state",), sizes)
    age = 0.0 if status.oldest is None else max(0.0, now - status.oldest)
    yield _gauge(
        "oldest_recording_age_seconds", "Age of the oldest one that is not finished; 0: there is none.", {}, age
    )
    yield _gauge("growing_files", "Files that their recorder has not finished.", {}, status.unfinished)
    words = "Those of them that may be finished for long and are not taken, because nothing proves it."
    yield _gauge("unproven_files", words, {}, len(status.unproven))
    age = max(0.0, now - status.unproven[0].since) if status.unproven else 0.0
    yield _gauge("oldest_unproven_age_seconds", "Time since the oldest of those changed; 0: there is none.", {}, age)


def _waiting(reasons: Iterable[StateReason]) -> Metric:
    words = "Recordings that wait for the store to say where they go, by reason."
    counts = dict.fromkeys(sorted(WAITS_FOR_PLAN), 0)
    for reason in reasons:
        if reason.error.code in counts:
            counts[Reason(reason.error.code)] += reason.count
    return _gauges("waiting_for_plan", words, ("reason",), (((code.value,), n) for code, n in counts.items()))


def _disk(status: Status) -> Iterable[Metric]:
    if status.free_bytes is not None:
        yield _gauge("spool_free_bytes", "Free space of the spool's volume.", {}, status.free_bytes)
    if status.total_bytes is not None:
        yield _gauge("spool_size_bytes", "Size of the spool's volume.", {}, status.total_bytes)
    stopped = float(bool(status.intake_stopped))
    yield _gauge("intake_stopped", "1 while no new recording can be taken (journal full, …).", {}, stopped)


def _destinations(status: Status) -> Iterable[Metric]:
    families: Sequence[tuple[str, str, Callable[[DestinationStatus], float]]] = (
        ("held", "1 while it can't work until somebody mends it.", lambda one: one.state in {"held", "denied"}),
        ("failing", "1 while it fails in a way that passes, and is probed.", lambda one: one.state == "failing"),
        ("concurrency", "Uploads that it may have at once.", lambda one: one.concurrency),
    )
    names = [(one.account_sid, one.destination_id or "store") for one in status.destinations]
    for name, words, value in families:
        values = zip(names, map(value, status.destinations), strict=True)
        yield _gauges(f"destination_{name}", words, ("account_sid", "destination_id"), values)


def _counters(status: Status) -> Iterable[Metric]:
    for name, words in _COUNTERS.items():
        yield CounterMetricFamily(f"{PREFIX}_{name}", words, value=status.counters.get(name, 0))
    by_class = CounterMetricFamily(f"{PREFIX}_failures_by_class", "Failed attempts, by class.", labels=["class"])
    for name, value in status.counters.items():
        if name.startswith(_FAILURE_PREFIX):
            by_class.add_metric([name.removeprefix(_FAILURE_PREFIX)], value)
    yield by_class


def _gauge(name: str, words: str, labels: dict[str, str], value: float) -> Metric:
    return _gauges(name, words, tuple(labels), [(tuple(labels.values()), value)])


def _gauges(name: str, words: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    metric = GaugeMetricFamily(f"{PREFIX}_{name}", words, labels=labels)
    for names, value in values:
        metric.add_metric(names, float(value))
    return metric


class MetricsServer:
    """Serves `/metrics`, `/healthz` and `/readyz` in threads of its own."""

    def __init__(self, collector: Collector, *, host: str, port: int) -> None:
        """Listen at once; port 0 takes a free one. Raises OSError."""
        registry = CollectorRegistry()
        registry.register(collector)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._server = _Server((host, port), _handler(registry))
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(registry: CollectorRegistry) -> type[MetricsHandler]:
    metrics: type[MetricsHandler] = MetricsHandler.factory(registry)

    class Handler(metrics):  # type: ignore[valid-type,misc]
        """Metrics, and the probes: both are true as long as the process runs, standing by or not.

        Neither asks the store or S3: a sidecar that can't reach them must not keep its recorder from starting.
        """

        def do_GET(self) -> None:  # noqa: N802 - http.server's name
            if self.path not in _PROBES:
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("content-type", "text/plain; charset=utf-8")
            self.send_header("content-length", "3")
            self.end_headers()
            self.wfile.write(b"ok\n")

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
