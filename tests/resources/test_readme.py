"""What the README has people apply works as it stands on a cluster that has nothing of ours yet."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from recording_storage.resources import KINDS
from tests.cluster import cluster as clusters
from tests.tools import binaries

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[clusters.Cluster]:
    started = clusters.start(tmp_path / "cluster")
    yield started
    started.stop()


def test_the_apply_lines_work_on_a_fresh_cluster(fresh: clusters.Cluster, tmp_path: Path) -> None:
    (lines,) = re.findall(r"<!-- test: apply -->\n```sh\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    path = f"{binaries.find('kubectl').parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=CHECKOUT,
        env={"PATH": path, "HOME": str(tmp_path), "KUBECONFIG": str(fresh.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    applied = {kind.__name__.lower() for kind in KINDS} - {"publickey", "recordingspool"}
    shown = done.stdout.partition("NAME")[2]
    assert {each for each in applied if f"{each}.recordingstorage.dev/" in shown} == applied, done.stdout
