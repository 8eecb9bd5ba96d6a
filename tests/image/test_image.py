"""The container image: what is in it, and that it runs as anybody, on a file system that nobody can write to."""

import csv
import hashlib
import json
import os
import re
import stat
import tomllib
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.image.builder import ROOT
from tests.image.oci import OciArchive
from tests.image.running import UID, run
from tests.s3.fixtures import create_bucket
from tests.s3.servers import S3Server
from tests.tools.cache import tell

pytestmark = pytest.mark.slow

HOME = "opt/recording-storage"
COMPILER = re.compile(r"(.+-)?(gcc|g\+\+|cc|c\+\+|cpp|clang|tcc|ld|as|make|cmake|go|rustc|cargo)(-[\d.]+)?")
OF_THE_VENV = re.compile(r"pyvenv\.cfg|\.gitignore|bin/(python[\d.]*|[Aa]ctivate.*)|lib64")
"""What `python3 -m venv` makes by itself."""


@pytest.fixture
def packages(image_root: Path) -> Path:
    (found,) = (image_root / HOME).glob("lib/python3.*/site-packages")
    return found


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


@pytest.mark.parametrize("arguments", [["--help"], ["uploader", "--help"], ["store", "--help"], ["operator", "--help"]])
def test_it_runs_as_any_user_on_a_file_system_that_nobody_can_write_to(
    image: OciArchive, image_root: Path, arguments: list[str]
) -> None:
    done = run(image, image_root, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: recording-storage")


def test_nobody_can_write_to_its_file_system(image: OciArchive, image_root: Path) -> None:
    """Else the other tests would prove nothing."""
    done = run(image, image_root, "/tmp/file", entrypoint=["touch"])
    assert "Read-only file system" in done.stderr
    assert run(image, image_root, "-u", entrypoint=["id"]).stdout == f"{UID}\n"


def test_a_recording_goes_to_its_bucket(
    image: OciArchive, image_root: Path, moto_server: S3Server, tmp_path: Path
) -> None:
    bucket = create_bucket(moto_server)
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "call.wav").write_bytes(b"RIFF")
    (spool / "call.wav.done").touch()
    destination = {
        "url": bucket.url,
        "region": bucket.server.region,
        "accessKeyId": bucket.credentials.access_key,
        "secretAccessKey": bucket.credentials.secret_key,
    }
    settings = {"destination": {**destination, "trustUnverified": True}, "allowHttp": True, "settle": "0s"}
    (spool / ".uploader.yaml").write_text(json.dumps(settings))
    for path in (spool, *spool.iterdir()):
        os.chown(path, UID, UID)

    done = run(
        image, image_root, "uploader", "--spool=/mnt", "--config=/mnt/.uploader.yaml", "--once", "--completion=Marker",
        spool=spool,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    (key,) = bucket.keys()
    assert bucket.read(key) == b"RIFF"
    assert not (spool / "call.wav").exists()


def test_no_compiler_and_no_installer_are_in_it(image: OciArchive, image_root: Path) -> None:
    for folder in image.environment["PATH"].split(":"):
        here = image_root / folder.lstrip("/")
        assert not [path.name for path in here.glob("*") if COMPILER.fullmatch(path.name)]
    assert not list((image_root / HOME).glob("bin/pip*"))
    assert not list((image_root / HOME).glob("lib/*/site-packages/pip"))


def test_all_that_is_installed_is_of_the_lock(packages: Path) -> None:
    version = packages.parent.name.removeprefix("python")
    python = {"python_version": version, "python_full_version": f"{version}.0", "extra": ""}
    locked = {}
    for line in re.findall(r"^\w[^\\]*", (ROOT / "requirements/runtime.txt").read_text(), re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(python):
            locked[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    locked["recording-storage"] = project()["version"]

    installed = [PathDistribution(path) for path in packages.glob("*.dist-info")]

    assert {canonicalize_name(found.name): found.version for found in installed} == locked


def test_each_file_is_of_a_package(image_root: Path, packages: Path) -> None:
    recorded = dict(of_records(packages))
    unknown = []
    for path in files(image_root / HOME):
        inside = str(path.relative_to(image_root / HOME))
        if path.suffix == ".pyc":
            path = source_of(path)  # noqa: PLW2901 - it stands for its source
        if path in recorded:
            digest = recorded[path]
            assert not digest or digest == f"sha256={sha256(path)}", path
        elif not OF_THE_VENV.fullmatch(inside):
            unknown.append(inside)
    assert unknown == []


def test_bytecode_is_there_and_never_compared_with_its_source(packages: Path) -> None:
    compiled = {source_of(path): path for path in packages.rglob("*.pyc")}
    ours = list((packages / "recording_storage").rglob("*.py"))
    assert set(ours) <= compiled.keys()
    for path in compiled.values():
        assert int.from_bytes(path.read_bytes()[4:8], "little") == 0b01, path  # hash-based, unchecked


def test_no_file_of_ours_is_anybodys_to_change_or_runs_as_another_user(image_root: Path) -> None:
    for path in files(image_root / HOME):
        found = path.lstat()
        assert found.st_uid == 0, path
        assert path.is_symlink() or not found.st_mode & (stat.S_IWOTH | stat.S_IWGRP | stat.S_ISUID | stat.S_ISGID), (
            path
        )


def test_it_says_what_it_is(image: OciArchive) -> None:
    labels: Mapping[str, str] = image.config["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}title"] == "recording-storage"
    assert labels[f"{prefix}version"] == project()["version"]
    assert labels[f"{prefix}licenses"] == project()["license"]
    assert labels[f"{prefix}description"]
    assert re.fullmatch(r"[0-9a-f]{40}(-modified)?", labels[f"{prefix}revision"])


def test_it_runs_as_nobody_unless_told(image: OciArchive) -> None:
    assert image.config["User"] == "65532:65532"
    assert image.config["Entrypoint"] == ["recording-storage"]


def test_its_size_is_told(image: OciArchive, image_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, *ours = image.layers
    unpacked = sum(path.lstat().st_size for path in files(image_root / HOME))
    with capsys.disabled():
        tell(f"image: {sum(ours) / 1e6:.0f} MB ({unpacked / 1e6:.0f} MB unpacked) on a base of {base / 1e6:.0f} MB")
    assert ours


def of_records(packages: Path) -> Iterator[tuple[Path, str]]:
    """Each file that a package says to have installed, with its digest where it tells one."""
    for record in packages.glob("*.dist-info/RECORD"):
        for name, digest, _ in csv.reader(record.read_text().splitlines()):
            yield Path(os.path.normpath(packages / name)), digest


def source_of(compiled: Path) -> Path:
    return compiled.parent.parent / f"{compiled.name.split('.')[0]}.py"


def sha256(path: Path) -> str:
    return urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()


def project() -> dict[str, str]:
    found: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found
