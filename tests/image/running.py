"""Runs the image's command on its files as a container would, without a container's runtime."""

import subprocess
from pathlib import Path

from tests.image.oci import OciArchive

UID = 12345
"""Of nobody: no passwd entry has it."""
_APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
# All that is mounted is of a namespace that ends with the command. The root can't be written to, and there is no /tmp.
_ENTER = """
set -e
root=$1; uid=$2; spool=$3; shift 3
mount --bind "$root" "$root"
if [ -n "$spool" ]; then mount --bind "$spool" "$root/mnt"; fi
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
exec chroot --userspec="$uid:$uid" --groups= "$root" "$@"
"""


def run(
    image: OciArchive, root: Path, *arguments: str, spool: Path | None = None, entrypoint: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Its entrypoint with `arguments`, in its environment and nothing of ours; `spool` is at /mnt there."""
    environment = [f"{name}={value}" for name, value in image.environment.items()]
    command = ["/usr/bin/env", "-i", *environment, *(entrypoint or image.config["Entrypoint"]), *arguments]
    return subprocess.run(
        [*_APART, "sh", "-c", _ENTER, "enter", str(root), str(UID), str(spool or ""), *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
