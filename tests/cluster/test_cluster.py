"""Clusters start, are found again, live side by side, and leave nothing behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube
from tests.tools.processes import gone, mentioning, removed
from tests.waiting import SOON

ROOT = Path(__file__).parents[2]
CLI = [sys.executable, "-m", "tests.cluster"]
HOLD = (
    "import sys, time; from tests.cluster import cluster as c; print(c.start().as_json(), flush=True); time.sleep(600)"
)


def call(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    done = subprocess.run([*CLI, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def started(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def answers(kubeconfig: str) -> bool:
    kube = Kube.from_kubeconfig(Path(kubeconfig))
    try:
        return bool(kube.list("v1", "Namespace"))
    finally:
        kube.close()


@pytest.mark.slow
def test_start_finds_the_one_that_runs_and_stop_leaves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    first = json.loads(call("start", "--dir", str(folder), "--json").stdout.splitlines()[-1])
    try:
        second = json.loads(call("start", "--dir", str(folder), "--json").stdout.splitlines()[-1])
        assert (first.pop("reused"), second.pop("reused")) == (False, True)
        assert first == second
        assert json.loads(call("status", "--dir", str(folder), "--json").stdout) == first
        assert answers(first["kubeconfig"])
        assert answers(str(cluster.kubeconfig))  # side by side
        assert first["server"] != cluster.server
    finally:
        call("stop", "--dir", str(folder))
    assert gone(str(folder))
    assert not folder.exists()
    assert "none runs" in call("status", "--dir", str(folder), code=1).stderr


@pytest.mark.slow
def test_what_is_kept_is_there_at_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    for turn in ("first", "second"):
        state = json.loads(call("start", "--dir", str(folder), "--json").stdout)
        kube = Kube.from_kubeconfig(Path(state["kubeconfig"]))
        try:
            if turn == "first":
                kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})
            assert kube.get("v1", "Namespace", "kept")
        finally:
            kube.close()
            call("stop", "--dir", str(folder), *(["--keep"] if turn == "first" else []))
    assert not folder.exists()


@pytest.mark.slow
def test_sigkill_of_the_test_process_leaves_no_process_and_no_folder() -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    folder = started(process)["data_dir"]
    assert len(mentioning(folder)) >= 2
    process.kill()
    process.wait()
    assert gone(folder)
    assert removed(Path(folder))


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stdin", "SIGTERM", "SIGKILL"])
def test_serve_lives_as_long_as_its_parent(end: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    process = subprocess.Popen(
        [*CLI, "serve", "--json"], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    state = started(process)
    assert state["pid"] == process.pid
    assert answers(state["kubeconfig"])
    assert process.stdin is not None
    if end == "stdin":
        process.stdin.close()
    else:
        process.send_signal(signal.Signals[end])
    code = process.wait(SOON)
    assert code == (-signal.SIGKILL if end == "SIGKILL" else 0)
    assert gone(state["data_dir"])
    assert removed(Path(state["data_dir"]))


@pytest.mark.slow
def test_run_gives_the_command_a_cluster_and_hands_on_its_code() -> None:
    script = "import os, sys; print(os.environ['KUBECONFIG']); sys.exit(7)"
    done = call("run", "--", sys.executable, "-c", script, code=7)
    assert not Path(done.stdout.strip()).exists()


def test_a_given_kubeconfig_starts_nothing(tmp_path: Path) -> None:
    given = tmp_path / "kubeconfig"
    content = {
        "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1:6443"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    given.write_text(json.dumps(content))
    done = call(
        "run", "--kubeconfig", str(given), "--", sys.executable, "-c", "import os; print(os.environ['KUBECONFIG'])"
    )
    assert done.stdout.strip() == str(given)
    assert "starting" not in done.stderr


def test_without_binaries_and_without_go_there_is_one_line(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    script = (
        "import shutil, runpy; shutil.which = lambda *a, **k: None;"
        "runpy.run_module('tests.cluster', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "serve"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("etcd is not here: install Go 1.26")
    assert "KUBEBUILDER_ASSETS" in line
    assert "Traceback" not in done.stderr
