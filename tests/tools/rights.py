"""Whether a machine lets a node be made on it. Tried, since root in a container may have any part of root's rights."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# What a node does first, in namespaces that end with it; `ip` may not be installed yet.
_TRIAL = """
set -e
mount --make-rshared /
mount -t proc proc /proc
echo 1 > /proc/sys/net/ipv4/ip_forward || { echo "net.ipv4.ip_forward can not be set" >&2; exit 1; }
mount -t tmpfs tmpfs /run
mkdir /run/lower /run/upper /run/work /run/merged
mount -t overlay overlay -o lowerdir=/run/lower,upperdir=/run/upper,workdir=/run/work /run/merged
if command -v ip > /dev/null; then ip link set lo up && ip link add one type veth peer name other; fi
"""
_APART = ("unshare", "--cgroup", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child")


@cache
def missing() -> str | None:
    """What a node would need and this machine withholds, in its own words; None: a node can be made here."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a node needs root on Linux"
    try:
        _try_cgroups()
        done = subprocess.run([*_APART, "sh", "-c", _TRIAL], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"a node needs rights that are not here: {error}"
    said = " ".join(done.stderr.split())
    return f"a node needs rights that are not here: {said}" if done.returncode else None


def _try_cgroups() -> None:
    for hierarchy in CGROUPS.iterdir():
        if (hierarchy / "cgroup.procs").exists() and not hierarchy.is_symlink():
            folder = hierarchy / f"recording-storage-trial-{os.getpid()}"
            folder.mkdir()
            folder.rmdir()
