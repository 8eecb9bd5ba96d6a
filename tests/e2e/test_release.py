"""A release with recorders: what goes away, comes back or changes, and no recording is lost or late."""

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.kube import Document
from tests.controller import resources
from tests.controller.watching import ready
from tests.e2e import pods, recorders
from tests.e2e.recorders import USER
from tests.e2e.release import API, STORE
from tests.e2e.team import LONG, Served
from tests.tools.cache import tell
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PACE, BEFORE = 0.2, 10
"""Seconds from one recording to the next, and how many come before a key is rotated."""
RECORDS = f"""
import itertools, os
for n in itertools.count():
    if os.path.exists('/recordings/.stop'): break
    with open(f'/recordings/call-{{n}}.wav', 'wb') as file: file.write(b'RIFF')
    open(f'/recordings/call-{{n}}.wav.done', 'w').close()
    time.sleep({PACE})
"""
PLAN_REVISION = re.compile(r"^recording_storage_uploader_plan_revision\{.*\} (\S+)$", re.MULTILINE)
UPLOADERS, APPLIED, CHANGES = 10, 15.0, 3
"""Pods; seconds until all of them run changed settings, three times what is usual; how often that is tried."""


def record(folder: Path, name: str) -> None:
    """As the recorder would."""
    for path in (folder / name, folder / f"{name}.done"):
        path.write_bytes(b"" if path.suffix == ".done" else b"RIFF")
        os.chown(path, USER, USER)


def at_work(team: Served) -> tuple[Path, Document]:
    """A recorder whose first recording is stored: its folder on the node, and its pod."""
    folder = team.claim("calls")
    pod = team.start(recorders.recorder("recorder", claim="calls"))
    record(folder, "first.wav")
    team.stored(1)
    return folder, pod


def test_no_recording_is_parked_while_its_key_is_rotated(team: Served) -> None:
    folder = team.claim("calls")
    pod = team.start(recorders.recorder("recorder", claim="calls", script=RECORDS))
    eventually(lambda: len(team.bucket.keys()) >= BEFORE, what="recordings go to the bucket", within=LONG)
    sid = team.kube.get(API, "AwsCredential", "main", namespace=team.namespace)["status"]["sid"]

    successor = team.bucket.server.rotate_key(team.bucket.user)
    team.kube.apply(resources.aws_secret(team.namespace, successor.credentials))
    team.until(
        "AwsCredential",
        "main",
        lambda found: found["status"]["sid"] != sid and not found["status"].get("retiring") and ready(found),
    )
    team.bucket.server.delete_key(team.bucket.user)
    before = len(team.bucket.keys())
    eventually(lambda: len(team.bucket.keys()) >= before + BEFORE, what="they still do", within=LONG)
    (folder / ".stop").touch()

    eventually(lambda: not list(folder.glob("call-*")), what="nothing is left on the spool", within=LONG)
    text = recorders.metrics(team.kube, "recorder", namespace=team.namespace)
    assert 'recording_storage_uploader_recordings{state="parked"} 0.0' in text
    assert [key for key in ("parked", "rejected", "held") if team.spool()["status"].get(key, {}).get("count")] == []
    team.end(pod)


def test_ten_uploaders_run_changed_settings_at_once(team: Served, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"recorder-{number}" for number in range(UPLOADERS)]
    for name in names:
        team.claim(name)
        team.kube.create(recorders.recorder(name, claim=name), namespace=team.namespace)
    team.until("RecordingSettings", "default", lambda found: in_sync(found, UPLOADERS))

    seconds = [changed(team, names, f"change-{number}") for number in range(CHANGES)]

    with capsys.disabled():
        tell(f"settings: {UPLOADERS} uploaders run a change after {', '.join(f'{each:.1f}' for each in seconds)} s")
    assert min(seconds) <= APPLIED
    assert [count for _, count in team.uploaders()] == [0] * UPLOADERS


def in_sync(found: Document, count: int) -> bool:
    told = found["status"].get("uploaders") or {}
    return bool(told.get("total") == told.get("inSync") == count)


def changed(team: Served, names: list[str], folder: str) -> float:
    """Seconds from a change until the last of the uploaders runs it."""
    before = revisions(team, names)
    begun = time.monotonic()
    patch = {"spec": {"awsStorage": {"url": f"{team.url}/{folder}"}}}
    team.kube.patch(API, "RecordingSettings", "default", patch, namespace=team.namespace)
    eventually(
        lambda: min(revisions(team, names)) > max(before), what=f"all uploaders run more than {before}", within=LONG
    )
    return time.monotonic() - begun


def revisions(team: Served, names: list[str]) -> list[float]:
    """That each uploader runs, by its metrics."""
    texts = [recorders.metrics(team.kube, name, namespace=team.namespace) for name in names]
    return [float(PLAN_REVISION.findall(text)[0]) for text in texts]


def test_what_an_outage_has_parked_is_stored_when_somebody_asks(team: Served) -> None:
    team.apply_settings(upload={"retryWindow": "20s"})
    folder, pod = at_work(team)
    team.gate.refuse()
    record(folder, "second.wav")
    name = team.spool()["metadata"]["name"]
    team.until("RecordingSpool", name, lambda found: found["status"].get("parked", {}).get("count") == 1)
    team.gate.open()

    annotation = {"metadata": {"annotations": {"recordingstorage.dev/retry-requested-at": "now"}}}
    team.kube.patch(API, "RecordingSpool", name, annotation, namespace=team.namespace)

    team.stored(2)
    found = team.until("RecordingSpool", name, lambda found: not found["status"].get("parked", {}).get("count"))
    assert found["status"]["retry"]["retried"] == 1
    team.end(pod)


def test_a_store_that_is_killed_is_not_missed(team: Served) -> None:
    folder, pod = at_work(team)
    (store,) = (
        found
        for found in team.kube.list("v1", "Pod", namespace=team.release.namespace)
        if found["metadata"]["name"].startswith(f"{STORE}-")
    )
    (container,) = store["status"]["containerStatuses"]
    os.kill(pods.first_process_of(container["containerID"]), signal.SIGKILL)
    record(folder, "second.wav")

    team.stored(2)
    # Only the store's acknowledgement lets it go.
    eventually(lambda: not (folder / "second.wav").exists(), what="its file is gone", within=LONG)
    found = team.kube.get("v1", "Pod", store["metadata"]["name"], namespace=team.release.namespace)
    assert found["status"]["containerStatuses"][0]["restartCount"] == container["restartCount"] + 1
    assert [count for _, count in team.uploaders()] == [0]
    team.end(pod)


def test_a_kubelet_that_comes_again_finds_its_pods_at_work(team: Served) -> None:
    folder, pod = at_work(team)
    before = team.uploaders()
    team.node.stop_kubelet()
    record(folder, "second.wav")
    team.stored(2)
    team.node.start_kubelet()

    # Only a kubelet ends a pod.
    team.end(team.start(recorders.recorder("another", claim="calls", injected=False)))
    record(folder, "third.wav")
    team.stored(3)
    assert team.uploaders() == before
    team.end(pod)


def test_a_new_certificate_of_the_store_interrupts_nobody(team: Served) -> None:
    folder, pod = at_work(team)
    team.until("RecordingSettings", "default", lambda found: in_sync(found, 1))
    before, shown = team.uploaders(), certificate(team)

    team.kube.delete("v1", "Secret", f"{STORE}-tls", namespace=team.release.namespace)
    eventually(lambda: certificate(team) != shown, what="the store shows another certificate", within=LONG)

    team.apply_settings(url=f"{team.url}/afterwards")
    team.until("RecordingSettings", "default", lambda found: in_sync(found, 1))
    record(folder, "second.wav")
    team.stored(2)
    eventually(lambda: not (folder / "second.wav").exists(), what="its file is gone", within=LONG)
    assert team.uploaders() == before
    team.end(pod)


def certificate(team: Served) -> str:
    """What the store's service shows."""
    address = team.kube.get("v1", "Service", STORE, namespace=team.release.namespace)["spec"]["clusterIP"]
    asked = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], 8081)))"
    return team.node.machine.enter(sys.executable, "-I", "-S", "-c", asked, address)
