"""Naming no cluster is wrong use, told in one line with what was named; whether it answers is not asked."""

from pathlib import Path

import click
import pytest

from recording_storage.cli import kubeconfig
from recording_storage.cli.kubeconfig import check_cluster, check_kubeconfig
from tests.cluster.kubeconfigs import UNREACHABLE


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any cluster, on no pod."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(kubeconfig, "_POD", tmp_path / "no-pod")
    return tmp_path


def refusal() -> str:
    with pytest.raises(click.UsageError) as refused:
        check_cluster(None)
    return str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{ not yaml: [",
        b"[1]",
        b"text",
        b"a: b",
        b"\x00",
        b"\xff\xfe",
        b"current-context: c",
        b"current-context: [c]",
        UNREACHABLE.replace("cluster: k", "cluster: other").encode(),
        UNREACHABLE.replace("current-context: c", "current-context: other").encode(),
        UNREACHABLE.replace("server", "host").encode(),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "kubeconfig"
    file.write_bytes(content)
    with pytest.raises(click.UsageError) as refused:
        check_kubeconfig(file, named="--kubeconfig X")
    assert str(refused.value).startswith("--kubeconfig X is no kubeconfig with a current context and its cluster")


def test_one_whose_cluster_is_away_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(UNREACHABLE)
    check_kubeconfig(file, named="--kubeconfig X")
    check_cluster(file)


def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="--kubeconfig X can't be read: it is a folder"):
        check_kubeconfig(tmp_path, named="--kubeconfig X")


def test_nothing_is_named(home: Path) -> None:
    assert "no cluster" in refusal()
    assert "--kubeconfig FILE" in refusal()
    (home / ".kube").mkdir()
    (home / ".kube" / "config").write_text("text")
    assert refusal().startswith("~/.kube/config is no kubeconfig")
    (home / ".kube" / "config").write_text(UNREACHABLE)
    check_cluster(None)


def test_the_environment_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    assert refusal().startswith("KUBECONFIG=/nonexistent does not exist")
    (home / "one").write_text(UNREACHABLE.replace("current-context: c", ""))
    (home / "two").write_text("current-context: c")
    monkeypatch.setenv("KUBECONFIG", str(home / "one"))
    assert refusal().startswith(f"KUBECONFIG={home / 'one'} is no kubeconfig")
    monkeypatch.setenv("KUBECONFIG", f"{home / 'one'}:{home / 'two'}:{home / 'none'}")
    check_cluster(None)


def test_a_pod_has_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "token").touch()
    monkeypatch.setattr(kubeconfig, "_POD", home / "token")
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    check_cluster(None)
