"""The base that the image is built on in tests: Debian trixie with its Python, made by debootstrap.

The public image itself would have to be pulled.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.tools import debian
from tests.tools.cache import cache_dir, locked
from tests.tools.errors import ToolMissing
from tests.tools.progress import run, tail

SUITE = "trixie"
PACKAGES = ("ca-certificates", "python3", "python3-venv")
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists", "var/log")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def base_archive() -> Path:
    """A tar of the root file system, made once; raises ToolMissing."""
    target = cache_dir() / "image" / f"{SUITE}.tar"
    with locked(target.with_name(f".{SUITE}.lock"), what=f"Debian {SUITE}"):
        return target if target.is_file() else _make(target)


def _make(target: Path) -> Path:
    debian.install({"debootstrap": "debootstrap"})
    log = target.with_name(f"{SUITE}.log")
    root = Path(tempfile.mkdtemp(prefix=f".{SUITE}-", dir=target.parent))
    try:
        # Its mounts below the root are of a namespace of its own: they end with it, however it ends.
        argv = [
            "unshare",
            "--mount",
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            f"--keyring={KEYRING}",
        ]
        argv += [SUITE, str(root), debian.mirror()]
        if run(argv, what=f"Debian {SUITE}", expected=110, log=log) != 0:
            raise ToolMissing(f"debootstrap of {SUITE} failed ({tail(log, 1).strip()}); all of it: {log}")
        for name in LEFT_OUT:
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir(parents=True)
        new = root.with_suffix(".tar")
        subprocess.run(["tar", "-C", str(root), "-cf", str(new), "."], check=True)
        new.rename(target)
        log.unlink()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return target
