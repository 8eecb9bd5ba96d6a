"""Builds the image as `make image` does, with buildah, on a base of our own; kept below the cache folder."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.image.debian_base import base_archive
from tests.tools import debian
from tests.tools.cache import cache_dir, locked
from tests.tools.errors import ToolFailed
from tests.tools.progress import run, tail

ROOT = Path(__file__).parents[2]
BASE = "localhost/recording-storage-base:trixie"
IMAGE = "localhost/recording-storage:test"
IDLE = "localhost/recording-storage-idle:trixie"
IDLES = ("sh", "-c", "trap exit TERM; sleep infinity & wait")
"""Until it is asked to end; the first process of a container is not ended by a signal that it doesn't catch."""
SOURCES = (
    "Dockerfile",
    ".dockerignore",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "packaging",
    "requirements",
    "operator",
)
KEPT = 3
"""Archives: of the newest sources that an image was built of."""
MANY = 200
"""Images, nearly all of them single layers of earlier builds: then the store is emptied."""


def built() -> Path:
    """The archive of the image of this checkout's sources, built if need be; raises ToolMissing and ToolFailed."""
    folder = cache_dir() / "image"
    target = folder / f"recording-storage-{_digest()}.oci.tar"
    with locked(folder / ".build.lock", what="the image"):
        if target.is_file():
            target.touch()
        else:
            _build(target)
        for old in sorted(folder.glob("recording-storage-*.oci.tar"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink()
    return target


def idle() -> Path:
    """The archive of an image that does nothing, on the same base: for recorders, and for what holds a pod together."""
    target = cache_dir() / "image" / f"idle-{hashlib.sha256(repr(IDLES).encode()).hexdigest()[:16]}.oci.tar"
    with locked(target.with_name(".build.lock"), what="the image"):
        if not target.is_file():
            env = _with_base()
            options = ("--env", "PATH=/usr/bin:/bin", "--entrypoint", json.dumps(IDLES))
            _commit(env, BASE, IDLE, "config", *options, "CONTAINER")
            _export(env, IDLE, target)
    return target


def environment() -> Mapping[str, str]:
    """For buildah: a store of its own, and builds without a container's runtime."""
    folder = cache_dir() / "image"
    settings = folder / "storage.conf"
    settings.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder / "store"}"\nrunroot = "{folder / "store-run"}"\n'
    )
    return os.environ | {"CONTAINERS_STORAGE_CONF": str(settings), "BUILDAH_ISOLATION": "chroot"}


def _build(target: Path) -> None:
    env = _with_base()
    log = target.parent / "build.log"
    chosen = {"ENGINE": "buildah", "IMAGE": IMAGE, "BASE_IMAGE": BASE}
    if run(["make", "-s", "image"], what="the image", expected=90, log=log, cwd=ROOT, env={**env, **chosen}) != 0:
        raise ToolFailed(f"building the image failed:\n{tail(log)}\nall of it: {log}")
    _export(env, IMAGE, target)
    log.unlink()


def _with_base() -> Mapping[str, str]:
    """buildah's environment, with the base in its store."""
    debian.install({"buildah": "buildah"})
    base = base_archive()
    env = environment()
    if len(_buildah(env, "images", "--all", "--quiet").split()) > MANY:
        _buildah(env, "rmi", "--all", "--force")
    if not _buildah(env, "images", "--quiet", "--filter", f"reference={BASE}").strip():
        _commit(env, "scratch", BASE, "add", "CONTAINER", str(base), "/")
    return env


def _commit(env: Mapping[str, str], base: str, name: str, *change: str) -> None:
    """A new image `name`: `base` with one change, in whose words CONTAINER stands for its container."""
    container = _buildah(env, "from", base).strip()
    try:
        _buildah(env, *(container if word == "CONTAINER" else word for word in change))
        _buildah(env, "commit", "--quiet", container, name)
    finally:
        _buildah(env, "rm", container)


def _export(env: Mapping[str, str], name: str, target: Path) -> None:
    new = target.with_suffix(".new")
    new.unlink(missing_ok=True)
    _buildah(env, "push", "--quiet", name, f"oci-archive:{new}:{name}")
    new.rename(target)


def _buildah(env: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolFailed(f"buildah {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def _digest() -> str:
    """Of all that goes into it."""
    found = hashlib.sha256()
    for path in _sources():
        found.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    for name in SOURCES:
        path = ROOT / name
        if path.is_file():
            yield path
        else:
            yield from sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
