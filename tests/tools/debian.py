"""Debian packages: their files without installing them, unpacked into our cache; or installed, where they must be."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.tools.cache import cache_dir, locked, tell
from tests.tools.errors import ToolMissing

TIMEOUT = 120.0  # seconds for one package
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/cni"))
INSTALLING = 600.0  # seconds for all that are installed at once


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


def install(programs: Mapping[str, str]) -> None:
    """Installs what is missing of `programs`, each with the package that has it; raises ToolMissing."""
    missing = sorted({package for program, package in programs.items() if shutil.which(program, path=_PATH) is None})
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ToolMissing(f"{names}: not here, and only root can install them, on a Debian: install {names}")
    with locked(cache_dir() / "locks" / "apt", what=f"packages {names}"):
        tell(f"packages {names}: installing, once")
        argv = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends", "install", *missing]
        try:
            _run(argv, cwd=Path("/"), name=names, timeout=INSTALLING)
        except ToolMissing:  # a fresh machine has no lists of packages yet
            _run(["apt-get", "-q", "update"], cwd=Path("/"), name=names, timeout=INSTALLING)
            _run(argv, cwd=Path("/"), name=names, timeout=INSTALLING)


def mirror() -> str:
    """The URL of the Debian archive that apt is configured with here; raises ToolMissing."""
    argv = ["apt-get", "indextargets", "--format", "$(CREATED_BY) $(RELEASE) $(SITE)"]
    try:
        lines = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolMissing(f"where Debian's packages come from can't be read of apt: {error}") from error
    for line in lines:
        creator, release, site = line.split(maxsplit=2)
        if creator == "Packages" and release == _release():
            return site
    raise ToolMissing(f"apt is configured with no archive of {_release()}: install the tests' base image by hand")


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


def _run(argv: Sequence[str], *, cwd: Path, name: str, timeout: float = TIMEOUT) -> None:
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise ToolMissing(f"package {name}: {argv[0]} has not ended after {timeout:.0f} s: install {name}") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ToolMissing(f"package {name} can't be had ({said}): install {name}, or run `apt-get update`")


def _folder(name: str) -> Path:
    folder = cache_dir() / "debian" / _release()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def _release() -> str:
    for line in Path("/etc/os-release").read_text().splitlines() if Path("/etc/os-release").exists() else ():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME":
            return value.strip('"')
    return "unknown"
