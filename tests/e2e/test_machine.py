"""A node's machine leaves nothing behind, even when the process that made it is killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.machine import sweep
from tests.e2e.node import Node
from tests.tools.processes import gone, removed
from tests.tools.rights import CGROUPS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TUNABLE = Path("/proc/sys/vm/overcommit_memory")
HOLD = """
import sys, time
from tests.e2e.machine import Machine
machine = Machine()
machine.enter("sh", "-c", f"set -e; echo 2 > {sys.argv[1]}; mount -t tmpfs {machine.name} /mnt")
machine.enter("sh", "-c", "for hierarchy in /sys/fs/cgroup/*/; do mkdir $hierarchy/left; done")
machine.children.start("sleep", ["sleep", "600"], log=machine.folder / "sleep.log")
print(machine.name, flush=True)
time.sleep(600)
"""


def test_what_a_killed_process_had_on_its_machine_is_gone(node: Node) -> None:
    before = TUNABLE.read_text()
    process = subprocess.Popen([sys.executable, "-c", HOLD, TUNABLE], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    folder = node.folder.with_name(name)
    assert folder.exists()
    assert list(CGROUPS.glob(f"*/{name}/left"))

    process.kill()
    process.wait()
    process.stdout.close()

    assert gone(str(folder))
    assert removed(Path(f"/sys/class/net/node{process.pid}"))
    assert name not in Path("/proc/mounts").read_text()
    assert TUNABLE.read_text() == before
    sweep()  # as the next one does
    assert not folder.exists()
    assert not list(CGROUPS.glob(f"*/{name}"))
    assert node.folder.exists()


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("right", "said"), [("sys_admin", "unshare failed"), ("net_admin", "ip_forward")])
def test_root_without_the_kernels_rights_is_told_what_is_missing(right: str, said: str) -> None:
    asked = "from tests.tools import rights; print(rights.missing())"
    done = subprocess.run(
        ["setpriv", f"--bounding-set=-{right}", f"--inh-caps=-{right}", sys.executable, "-c", asked],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said in done.stdout
