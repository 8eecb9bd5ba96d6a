"""Tools are built once, from what is pinned, and found where they are."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.tools import binaries
from tests.tools.catalogue import GO_MODULES, TOOLS, Tool
from tests.tools.children import Children
from tests.tools.errors import ToolFailed, ToolMissing
from tests.tools.processes import exists, gone, removed

FAKE_GO = """#!/bin/sh
echo building >> "$BUILDS"
sleep 1
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\n' > "$2"; chmod +x "$2"
"""


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without tools and with an empty cache; returns the only folder in PATH but for the shell's."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr(binaries, "_failed", {})
    return tmp_path / "bin"


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_go_mod_pins_the_version_of_the_catalogue(tool: Tool) -> None:
    go_mod = (GO_MODULES / tool.module / "go.mod").read_text()
    pinned = re.search(rf"^(?:require)?\s+{re.escape(tool.path)} v(\S+)", go_mod, re.MULTILINE)
    assert pinned is not None
    assert pinned[1] == tool.version


def test_kubebuilder_assets_come_before_path(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_path = program(empty / "etcd")
    assert binaries.find("etcd") == in_path
    in_assets = program(tmp_path / "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert binaries.find("etcd") == in_assets


def test_parallel_runs_build_once(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(empty / "go", FAKE_GO)
    monkeypatch.setenv("BUILDS", str(tmp_path / "builds"))
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(binaries.find("s5cmd"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "builds").read_text().count("building") == 1
    assert found == [tmp_path / "cache/recording-storage/tools/s5cmd-2.3.0/s5cmd"] * 3
    said = capsys.readouterr().err
    assert "building s5cmd 2.3.0: takes about 60 s, once" in said
    assert "waiting for another run" in said


def test_a_build_that_fails_says_why_in_one_line(empty: Path) -> None:
    program(empty / "go", "#!/bin/sh\necho go: no network\nexit 1\n")
    with pytest.raises(ToolMissing, match=r"^building s5cmd 2\.3\.0 failed \(go: no network\)") as caught:
        binaries.find("s5cmd")
    assert "\n" not in str(caught.value)
    program(empty / "go", FAKE_GO)
    with pytest.raises(ToolMissing):  # once a process
        binaries.find("s5cmd")


def test_a_cache_that_cannot_be_written_is_told_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ToolMissing, match=r"can't be built in .*XDG_CACHE_HOME"):
        binaries.build("etcd")


def test_children_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time; from tests.tools.children import Children; p = pathlib.Path(sys.argv[1]);"
        "c = Children(remove=[p]); c.start('s', ['sleep', '612.25'], log=p / 'log');"
        "print('up', flush=True); time.sleep(60)"
    )
    folder = tmp_path / "removed"
    folder.mkdir()
    process = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.kill()
    process.wait()
    assert gone("612.25")
    assert removed(folder)


def test_a_child_that_can_not_be_started_is_told(tmp_path: Path) -> None:
    children = Children()
    try:
        with pytest.raises(ToolFailed, match="FileNotFoundError"):
            children.start("none", [tmp_path / "none"], log=tmp_path / "log")
        trapped = tmp_path / "trapped"
        stubborn = f"trap '' TERM; : >{trapped}; while :; do sleep 0.1; done"
        children.start("trap", ["sh", "-c", stubborn], log=tmp_path / "log")
        assert exists(trapped)
        assert children.exit_code("trap") is None
        assert children.stop("trap", grace=0.2) == -9
    finally:
        children.close()
    with pytest.raises(ProcessLookupError):
        os.kill(children.pid, 0)
