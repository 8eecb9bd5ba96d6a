"""PostgreSQL's programs: installed ones, else Debian's packages unpacked."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.tools import debian
from tests.tools.errors import ToolMissing

LIBRARIES = {  # what the server needs beyond a minimal system: library, package
    r"libpq\.so\.(\d+)": r"libpq\1",
    r"libicu\w+\.so\.(\d+)": r"libicu\1",
    r"libldap-2\.5\.so\.0|liblber-2\.5\.so\.0": "libldap-2.5-0",
    r"(?:libldap|liblber)\.so\.2": "libldap2",
    r"libxml2\.so\.2": "libxml2",
    r"liblz4\.so\.1": "liblz4-1",
    r"libgssapi_krb5\.so\.2": "libgssapi-krb5-2",
    r"libkrb5\.so\.3": "libkrb5-3",
    r"libk5crypto\.so\.3": "libk5crypto3",
    r"libkrb5support\.so\.0": "libkrb5support0",
    r"libkeyutils\.so\.1": "libkeyutils1",
    r"libsasl2\.so\.2": "libsasl2-2",
    r"libcom_err\.so\.2": "libcom-err2",
}
UNUSED = shutil.ignore_patterns("bitcode", "locale", "doc", "man")


@dataclass(frozen=True)
class Programs:
    """`folder` holds initdb and postgres; `roots` are the unpacked packages it comes from, if it does."""

    folder: Path
    roots: tuple[Path, ...] = ()

    def environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        env["LC_ALL"] = "C.UTF-8"
        if self.roots:
            env["LD_LIBRARY_PATH"] = debian.library_path(self.roots)
        return env

    def copied(self, folder: Path) -> Self:
        """The same below `folder`: the cache is in a home that the account of the server may not enter."""
        copies = []
        for root in self.roots:
            copies.append(folder / root.name)
            shutil.copytree(root, copies[-1], symlinks=True, ignore=UNUSED)
        return type(self)(copies[0] / self.folder.relative_to(self.roots[0]), tuple(copies))


def find() -> Programs:
    """PATH, Debian's folder of installed ones, else unpacked packages; raises ToolMissing."""
    on_path = shutil.which("initdb")
    installed = [Path(on_path).resolve().parent] if on_path else []
    installed += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for folder in installed:
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return Programs(folder)
    return unpacked()


def unpacked() -> Programs:
    try:
        root = debian.package(_server_package())
        (folder,) = root.glob("usr/lib/postgresql/*/bin")
        roots = [root]
        while missing := _missing(folder, roots):
            new = [debian.package(name) for name in sorted({_package_of(library) for library in missing})]
            roots += _not_yet(new, roots=roots)
    except ToolMissing as error:
        raise ToolMissing(
            f"PostgreSQL is not here; install it, or put initdb and postgres into PATH ({error})"
        ) from None
    return Programs(folder, tuple(roots))


def _not_yet(new: Sequence[Path], *, roots: Sequence[Path]) -> list[Path]:
    added = [one for one in new if one not in roots]
    if not added:
        raise ToolMissing("the packages of its libraries do not hold them")
    return added


def _server_package() -> str:
    """`postgresql` only depends on the server of this release's version."""
    if shutil.which("apt-cache"):
        said = subprocess.run(
            ["apt-cache", "depends", "postgresql"], capture_output=True, text=True, check=False
        ).stdout
        if found := re.search(r"Depends: (postgresql-\d+)", said):
            return found[1]
    return "postgresql-15"


def _missing(folder: Path, roots: Sequence[Path]) -> set[str]:
    env = Programs(folder, tuple(roots)).environment()
    argv = ["ldd", str(folder / "postgres"), str(folder / "initdb")]
    said = subprocess.run(argv, env=env, capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"(\S+) => not found", said))


def _package_of(library: str) -> str:
    for pattern, package in LIBRARIES.items():
        if found := re.fullmatch(pattern, library):
            return found.expand(package)
    raise ToolMissing(f"no package is known for {library}")
