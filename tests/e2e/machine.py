"""A machine of our own for a node: namespaces for its network, mounts and processes, and cgroups.

What a node makes (bridges, chains of iptables, mounts, containers) is of these namespaces, and the kernel ends all of
that with them: nothing has to be taken down one by one, and nothing stays however a test ends. The way in is one pair
of virtual network cards.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir

from tests.tools.children import Children
from tests.tools.errors import ToolFailed
from tests.tools.rights import CGROUPS

PREFIX = "recording-storage-node-"
# Mounts travel down to containers from a shared root. What would be written beside the folder goes to file systems in
# memory, containers' cgroups go below one of ours, and a kubelet that sets tunables of the whole machine writes into
# copies of them.
_ENTER = """
set -e
mount --make-rshared /
mount -t proc proc /proc
echo 1 > /proc/sys/net/ipv4/ip_forward
for folder in /run /var/lib; do mount -t tmpfs -o mode=755 tmpfs $folder; done
for tunable in kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes \\
    vm/overcommit_memory vm/panic_on_oom
do
    copy=/run/tunables/$tunable
    mkdir -p "${copy%/*}" && cat "/proc/sys/$tunable" > "$copy" && mount --bind "$copy" "/proc/sys/$tunable"
done
for hierarchy in /sys/fs/cgroup/*; do
    if [ -d "$hierarchy/$1" ] && [ ! -L "$hierarchy" ]; then mount --bind "$hierarchy/$1" "$hierarchy"; fi
done
shift
mkdir -p "$0/log" && mount --bind "$0/log" /var/log
ip link set lo up
exec "$@"
"""
# Cgroups of the first version; where there is one hierarchy of the second, containers go below the machine's.
_JOIN = """
set -e
for hierarchy in /sys/fs/cgroup/*; do
    if [ -d "$hierarchy/$2" ] && [ ! -L "$hierarchy" ]; then echo $$ > "$hierarchy/$2/cgroup.procs"; fi
done
exec unshare --cgroup --net --mount --uts --ipc --pid --fork --kill-child sh -c "$0" "$@"
"""
_APART = ("sh", "-c", _JOIN, _ENTER)


class Machine:
    """`host` is this process's address for it, `address` its own; processes are started by `children`."""

    def __init__(self) -> None:
        sweep()
        number = os.getpid()
        self.name, self._card = f"{PREFIX}{number}", f"node{number}"
        self.folder = Path(gettempdir()) / self.name
        self.folder.mkdir(mode=0o755)
        self.host, self.address = (f"10.213.{number % 256}.{4 * (number // 256 % 64) + one}" for one in (1, 2))
        for folder in _cgroups(self.name):
            folder.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):  # of the first version: empty, nothing could run below
                if (given := folder.parent / name).exists():
                    (folder / name).write_text(given.read_text())
        self.children = Children(within=[*_APART, self.folder, self.name])
        try:
            self.children.remove_at_end(self.folder / "entered")  # its answer says that the namespaces are there
            self._connect()
        except BaseException:
            self.close()
            raise

    def enter(self, *command: str | Path, env: Mapping[str, str] | None = None) -> str:
        """Runs `command` in it and returns what it says; raises ToolFailed with its errors."""
        apart = ["nsenter", "--target", str(self._first_process()), "--cgroup", "--net", "--mount", "--pid"]
        done = subprocess.run([*apart, *map(str, command)], capture_output=True, text=True, check=False, env=env)
        if done.returncode != 0:
            raise ToolFailed(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
        return done.stdout

    def close(self) -> None:
        """Ends all that runs in it; what it made goes with it, and nothing of that is worth a grace."""
        # The kernel would take its time over the card, and this process's next machine has one of that name.
        subprocess.run(["ip", "link", "del", self._card], capture_output=True, check=False)
        with suppress(OSError, ValueError):  # it has ended already
            os.kill(self._first_process(), signal.SIGKILL)
        self.children.close()
        _remove(self.name)

    def _connect(self) -> None:
        card = self._card
        pid = str(self._first_process())
        for command in (
            ["ip", "link", "add", card, "type", "veth", "peer", "name", "eth0", "netns", pid],
            ["ip", "addr", "add", f"{self.host}/30", "dev", card],
            ["ip", "link", "set", card, "up"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise ToolFailed(f"{' '.join(command)}: {done.stderr.strip()}")
        self.enter("ip", "addr", "add", f"{self.address}/30", "dev", "eth0")
        self.enter("ip", "link", "set", "eth0", "up")
        self.enter("ip", "route", "add", "default", "via", self.host)

    def _first_process(self) -> int:
        """The one whose end is the end of all the others."""
        (pid,) = Path(f"/proc/{self.children.pid}/task/{self.children.pid}/children").read_text().split()
        return int(pid)


def _cgroups(name: str) -> Iterator[Path]:
    for hierarchy in CGROUPS.iterdir():
        if (hierarchy / "cgroup.procs").exists() and not hierarchy.is_symlink():
            yield hierarchy / name


def _remove(name: str) -> None:
    for folder in _cgroups(name):
        for below, _, _ in os.walk(folder, topdown=False):
            with suppress(OSError):
                Path(below).rmdir()
    rmtree(Path(gettempdir()) / name, ignore_errors=True)


def sweep() -> None:
    """What is left of runs that were killed: their namespaces have ended with them, their folders have not."""
    for folder in Path(gettempdir()).glob(f"{PREFIX}*"):
        if not Path(f"/proc/{folder.name.removeprefix(PREFIX)}").exists():
            _remove(folder.name)
