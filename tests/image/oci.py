"""An image in an archive of the Open Container Initiative's layout: what it says of itself, and its files."""

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any


class OciArchive:
    """Of one image for one platform."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (found,) = self._json("index.json")["manifests"]
        self._manifest: dict[str, Any] = self._json(_blob(found))
        self.config: dict[str, Any] = self._json(_blob(self._manifest["config"]))["config"]
        """User, Env, Entrypoint, Labels and the like."""

    @property
    def layers(self) -> list[int]:
        """Compressed sizes in bytes, from the base up."""
        return [layer["size"] for layer in self._manifest["layers"]]

    @property
    def environment(self) -> dict[str, str]:
        return dict(entry.split("=", 1) for entry in self.config["Env"])

    def unpack(self, folder: Path) -> None:
        """Its root file system into `folder`, with owners and modes; its layers must only add."""
        with tarfile.open(self.path) as archive:
            for layer in self._manifest["layers"]:
                blob = archive.extractfile(_blob(layer))
                assert blob is not None
                with subprocess.Popen(["tar", "-C", str(folder), "-xzpf", "-"], stdin=subprocess.PIPE) as tar:
                    assert tar.stdin is not None
                    while chunk := blob.read(1 << 20):
                        tar.stdin.write(chunk)
                assert tar.returncode == 0
        assert not list(folder.rglob(".wh.*"))

    def _json(self, name: str) -> dict[str, Any]:
        with tarfile.open(self.path) as archive:
            file = archive.extractfile(name)
            assert file is not None
            found: dict[str, Any] = json.load(file)
            return found


def _blob(descriptor: dict[str, Any]) -> str:
    algorithm, _, digest = descriptor["digest"].partition(":")
    return f"blobs/{algorithm}/{digest}"
