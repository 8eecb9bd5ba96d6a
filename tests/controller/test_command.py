"""Wrong use and missing parts end in one clear line."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster import cluster as clusters
from tests.cluster.cluster import Cluster, write_kubeconfig
from tests.controller.parts import COMMAND, Operator
from tests.tools.ports import free_port


def run(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [*COMMAND, "operator", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin", "HOME": "/nonexistent"},
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--store-url", "http://127.0.0.1:1"], "belong together"),
        (["--store-url", "nonsense", "--internal-url", "http://x"], "is no URL"),
        (["--metrics-listen", "nonsense"], "write HOST:PORT"),
        (["--token-file", "/nonexistent/token"], "does not exist"),
        (["--no-such-option"], "No such option"),
        (["--renew-deadline", "15"], "shorter than the lease duration (15 s)"),
        (["--retry-period", "10"], "shorter than the renew deadline (10 s)"),
        (["--lease-duration", "0"], "--lease-duration"),
    ],
)
def test_wrong_use_exits_with_2(arguments: list[str], said: str) -> None:
    code, text = run(*arguments)
    assert code == 2
    assert said in text
    assert "Traceback" not in text


def test_without_a_cluster_it_says_what_to_give(tmp_path: Path) -> None:
    code, text = run()
    assert code == 2
    assert "--kubeconfig" in text
    assert text.count("\n") == 1, text

    nobody = tmp_path / "kubeconfig"
    write_kubeconfig(nobody, server=f"https://127.0.0.1:{free_port()}", ca=b"", user={"token": "x"})
    code, text = run("--kubeconfig", str(nobody))
    assert code == 1
    assert "no cluster" in text
    assert text.count("\n") == 1, text


@pytest.mark.slow
def test_without_the_crds_it_says_how_to_install_them() -> None:
    cluster = clusters.start()
    try:
        code, text = run("--kubeconfig", str(cluster.kubeconfig))
    finally:
        cluster.stop()
    assert code == 1
    assert "kubectl apply --server-side -f crds/" in text
    assert text.count("\n") == 1, text


@pytest.mark.slow
def test_a_port_that_is_taken_is_named(cluster: Cluster, crds: list[object]) -> None:
    port = cluster.server.rpartition(":")[2]
    code, text = run("--kubeconfig", str(cluster.kubeconfig), "--metrics-listen", f"127.0.0.1:{port}")
    assert code == 1
    assert f"--metrics-listen 127.0.0.1:{port}" in text


@pytest.mark.slow
def test_it_starts_without_a_store_and_ends(
    cluster: Cluster, crds: list[object], tmp_path: Path, namespace: str
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    more = ["--store-url", nowhere, "--internal-url", nowhere, "--namespace", namespace, "--no-leader-election"]
    operator = Operator(tmp_path, kubeconfig=cluster.kubeconfig, store=None, more=more)
    operator.start()
    assert operator.stop() == 0
    assert "Traceback" not in operator.log
