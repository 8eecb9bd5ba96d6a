"""A recorder starts, and ends in its time, whatever its uploader lacks: the sidecar tells, and waits.

Of the release there is nothing but its policies: no operator, and so no ConfigMap, no certificate, and no store.
"""

import itertools
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recording_storage.uploader.core.status import BlockedReason
from recording_storage.uploader.journal.database import Journal
from tests.cluster.kube import KubeError
from tests.controller.watching import versions
from tests.e2e import recorders
from tests.e2e.node import Node
from tests.e2e.recorders import USER
from tests.e2e.release import Release
from tests.e2e.team import Team
from tests.injection.policies import UPLOADER
from tests.tools.cache import tell
from tests.tools.pki import Authority
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CA = "given-ca"
STARTS = 5.0
"""Seconds that an uploader may cost its recorder's start."""
GRACE, RECORDER_ENDS, ENDS = 30, 28, 35.0
"""Seconds."""
SOMEBODY_ELSE = 4321
NEWER = 1000
"""Of a journal that this version must leave alone."""


@dataclass(frozen=True)
class Place(Team):
    release: Release


@pytest.fixture(scope="module")
def place(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("release")
    nowhere = {"nodeSelector": {"nowhere": "true"}}
    values = {"operator": nowhere, "injection": {"enabled": True, "caConfigMap": CA}}
    release = Release(node, namespace="absent", folder=folder, values=values)
    try:
        release.open_team("starting")
        yield Place(node, "starting", release)
    finally:
        release.close()


@pytest.fixture
def ca(place: Place, tmp_path: Path) -> Iterator[None]:
    """Whom to trust, as the operator would have told; without it nothing is injected."""
    data = {"ca.crt": Authority(tmp_path / "ca").certificate_file.read_text()}
    metadata = {"name": CA, "namespace": place.release.namespace}
    place.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    probe = recorders.recorder("probe", claim="probe")
    eventually(lambda: place.release.injects(probe, namespace=place.namespace), what="injection is in force")
    yield
    place.kube.delete("v1", "ConfigMap", CA, namespace=place.release.namespace)
    eventually(lambda: not place.release.injects(probe, namespace=place.namespace), what="injection is over")


def sound(place: Place, name: str) -> None:
    place.claim(name)


def full(place: Place, name: str) -> None:
    folder = place.claim(name, options="size=1m,mode=0777")
    place.node.machine.enter("sh", "-c", 'cat /dev/zero > "$0/filler" 2> /dev/null || true', folder)


def read_only(place: Place, name: str) -> None:
    place.claim(name, options="size=1m,mode=0777,ro")


def somebody_elses(place: Place, name: str) -> None:
    folder = place.claim(name)
    os.chown(folder, SOMEBODY_ELSE, SOMEBODY_ELSE)
    folder.chmod(0o700)


def of_a_newer_version(place: Place, name: str) -> None:
    folder = place.claim(name) / ".recording-storage"
    folder.mkdir()
    journal = Journal.open(folder, known_spool=False)
    journal.close()
    connection = sqlite3.connect(folder / "journal.db")
    connection.execute("UPDATE meta SET value=? WHERE key='oldest_schema'", [str(NEWER)])
    connection.execute(f"PRAGMA user_version={NEWER}")
    connection.commit()
    connection.close()
    for path in (folder.parent, folder, *folder.iterdir()):
        os.chown(path, USER, USER)


CASES: dict[str, tuple[Callable[[Place, str], None], BlockedReason | None]] = {
    "without-a-store": (sound, None),
    "full": (full, BlockedReason.SPOOL),
    "read-only": (read_only, BlockedReason.SPOOL),
    "foreign": (somebody_elses, BlockedReason.SPOOL),
    "newer-journal": (of_a_newer_version, BlockedReason.NEWER_JOURNAL),
}


@pytest.mark.usefixtures("ca")
@pytest.mark.parametrize("name", CASES)
def test_it_runs_as_soon_as_one_without_an_uploader(
    place: Place, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    breaks, reason = CASES[name]
    breaks(place, name)
    security = {key: value for key, value in recorders.POD["spec"]["securityContext"].items() if "fsGroup" not in key}
    # The kubelet would give somebody else's volume to the group.
    spec: dict[str, Any] = {"securityContext": security} if name == "foreign" else {}
    without = place.start(recorders.recorder(f"{name}-alone", claim=name, injected=False, **spec))
    pod = place.start(recorders.recorder(name, claim=name, **spec))

    assert recorders.uploader(without) is None
    seconds, usual = recorders.seconds_to_start(pod), recorders.seconds_to_start(without)
    with capsys.disabled():
        tell(f"recorder {name}: runs {seconds:.0f} s after its pod was made, {usual:.0f} s without an uploader")
    assert seconds <= usual + STARTS
    wanted = [reason] if reason else ["-"]
    eventually(lambda: blocked(place, name) == wanted, what=f"its uploader tells of {wanted}")
    found = recorders.uploader(place.pod(name))
    assert found is not None
    assert (found["restartCount"], "running" in found["state"]) == (0, True)
    place.end(without, pod)


def blocked(place: Place, name: str) -> list[str]:
    """Why its uploader can't work; a dash: it can. Nothing while there is no answer."""
    try:
        text = recorders.metrics(place.kube, name, namespace=place.namespace)
    except KubeError:  # it does not listen yet
        return []
    return re.findall(r'^recording_storage_uploader_blocked\{reason="(\w+)"\} 1', text, re.MULTILINE) or ["-"]


def test_without_the_config_map_it_runs_without_an_uploader(place: Place) -> None:
    place.claim("no-config-map")
    pod = place.start(recorders.recorder("no-config-map", claim="no-config-map"))
    assert recorders.uploader(pod) is None
    place.end(pod)


@pytest.mark.usefixtures("ca")
def test_a_recorder_may_take_nearly_all_of_the_grace_period(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.claim("late")
    script = f"signal.signal(signal.SIGTERM, lambda *_: (time.sleep({RECORDER_ENDS}), sys.exit()))"
    pod = recorders.recorder("late", claim="late", script=script, terminationGracePeriodSeconds=GRACE)
    place.start(pod)
    eventually(lambda: blocked(place, "late"), what="the uploader works")

    place.end(pod)
    *_, last = itertools.takewhile(bool, versions(
        place.kube, "Pod", "late", namespace=place.namespace, timeout=120.0, api_version="v1"
    ))  # fmt: skip

    asked = datetime.fromisoformat(last["metadata"]["deletionTimestamp"]) - timedelta(seconds=GRACE)
    ended = {each["name"]: each["state"]["terminated"] for each in recorders.containers(last)}
    seconds = {
        name: (datetime.fromisoformat(each["finishedAt"]) - asked).total_seconds() for name, each in ended.items()
    }
    with capsys.disabled():
        tell(f"recorder that takes {RECORDER_ENDS} of {GRACE} s: {seconds} s until its containers had ended")
    assert {name: each["exitCode"] for name, each in ended.items()} == {recorders.RECORDER: 0, UPLOADER: 0}
    assert seconds[recorders.RECORDER] <= seconds[UPLOADER] <= ENDS
