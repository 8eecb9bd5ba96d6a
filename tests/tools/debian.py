"""Files of Debian packages without installing them: fetched with apt-get, unpacked into our cache."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.tools.cache import cache_dir, locked, tell
from tests.tools.errors import ToolMissing

TIMEOUT = 120.0  # seconds for one package


def package(name: str) -> Path:
    """The root of the unpacked package, such as it would be below `/`; its dependencies are the caller's to name."""
    target = _folder(name)
    if target.is_dir():
        return target
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise ToolMissing(f"{name} is not here, and without {program} it can't be fetched: install {name}")
    with locked(target.with_name(f".{name}.lock"), what=f"package {name}"):
        return target if target.is_dir() else _fetch(name, target)


def library_path(roots: Sequence[Path]) -> str:
    """For LD_LIBRARY_PATH: the folders of shared libraries in the packages at `roots`."""
    return os.pathsep.join(
        str(folder)
        for root in roots
        for folder in (*root.glob("usr/lib/*-linux-*"), root / "usr/lib", *root.glob("lib/*-linux-*"))
        if folder.is_dir()
    )


def _fetch(name: str, target: Path) -> Path:
    tell(f"package {name}: fetching, once")
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as folder:
        new = Path(folder) / "root"
        new.mkdir(mode=0o755)
        Path(folder).chmod(0o777)  # apt-get fetches as a user of its own, if there is one
        _run(["apt-get", "-q", "download", name], cwd=Path(folder), name=name)
        (archive,) = Path(folder).glob("*.deb")
        _run(["dpkg", "-x", str(archive), str(new)], cwd=Path(folder), name=name)
        new.rename(target)
    return target


def _run(argv: Sequence[str], *, cwd: Path, name: str) -> None:
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise ToolMissing(f"package {name}: {argv[0]} has not ended after {TIMEOUT:.0f} s: install {name}") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ToolMissing(f"package {name} can't be had ({said}): install {name}, or run `apt-get update`")


def _folder(name: str) -> Path:
    release = "unknown"
    for line in Path("/etc/os-release").read_text().splitlines() if Path("/etc/os-release").exists() else ():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME":
            release = value.strip('"')
    folder = cache_dir() / "debian" / release
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name
