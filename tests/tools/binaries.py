"""Where a tool's binary comes from: the machine, else our cache, else a build into that cache."""

import os
import shutil
import tempfile
from pathlib import Path

from tests.tools import progress
from tests.tools.cache import cache_dir, locked
from tests.tools.catalogue import GO_MODULES, GO_VERSION, TOOLS, Tool
from tests.tools.errors import ToolMissing

_failed: dict[str, ToolMissing] = {}  # a build that failed is not tried again by each test of this process


def find(name: str) -> Path:
    """The binary of `name`, built if need be; raises ToolMissing."""
    tool = TOOLS[name]
    if here := on_machine(tool) or in_cache(tool):
        return here
    if name in _failed:
        raise _failed[name]
    try:
        return build(name)
    except ToolMissing as error:
        _failed[name] = error
        raise


def on_machine(tool: Tool) -> Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if tool.kubebuilder and assets and os.access(Path(assets) / tool.name, os.X_OK):
        return Path(assets) / tool.name
    found = shutil.which(tool.name) if tool.package != "." else None  # those of ours are nowhere else
    return Path(found) if found else None


def in_cache(tool: Tool) -> Path | None:
    binary = _cached(tool)
    return binary if os.access(binary, os.X_OK) else None


def build(name: str) -> Path:
    """Builds `name` into the cache, or waits for another run that does so."""
    tool = TOOLS[name]
    what = f"{tool.name} {tool.version}"
    go = _go(tool)
    try:
        with locked(cache_dir() / "tools" / f".{tool.name}.lock", what=what):
            if here := in_cache(tool):
                return here
            return _build(tool, go=go, what=f"building {what}")
    except OSError as error:
        where = f"{what} can't be built in {cache_dir()}"
        raise ToolMissing(f"{where}: {error.strerror}; XDG_CACHE_HOME names another folder") from error


def _build(tool: Tool, *, go: str, what: str) -> Path:
    target = _cached(tool).parent
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target: only a rename within one file system is atomic.
    with tempfile.TemporaryDirectory(prefix=f".{tool.name}-", dir=target.parent) as folder:
        new = Path(folder) / target.name
        new.mkdir()
        log = target.parent / f"{tool.name}-{tool.version}.log"
        flags = " ".join(("-s", "-w", *tool.ldflags))
        tags = ["-tags", ",".join(tool.tags)] if tool.tags else []
        argv = [go, "build", "-trimpath", "-ldflags", flags, *tags, "-o", str(new / tool.name), tool.package]
        code = progress.run(
            argv, what=what, expected=tool.seconds, log=log, cwd=GO_MODULES / tool.module, env=_environment()
        )
        if code != 0:
            last = (progress.tail(log, 1).strip() or "no output")[:300]
            raise ToolMissing(f"{what} failed ({last}); all of it: {log}")
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)
        log.unlink()
    return target / tool.name


def _cached(tool: Tool) -> Path:
    return cache_dir() / "tools" / f"{tool.name}-{tool.build}" / tool.name


def _go(tool: Tool) -> str:
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if found:
        return found
    other = "set KUBEBUILDER_ASSETS to a folder that holds it" if tool.kubebuilder else "put it into PATH"
    raise ToolMissing(f"{tool.name} is not here: install Go {GO_VERSION} or later (it is built once), or {other}")


def _environment() -> dict[str, str]:
    env = dict(os.environ)
    env.setdefault("HOME", str(Path.home()))  # go wants it for its caches
    env.setdefault("GOTOOLCHAIN", "auto")
    # What the machine's owner set for other projects must not change what is built here.
    env.update({"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"})
    for name in ("GOOS", "GOARCH", "GO111MODULE"):
        env.pop(name, None)
    return env
