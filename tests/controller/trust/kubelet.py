"""What a kubelet does with a mounted Secret or ConfigMap: its files change together, some time after the object."""

import base64
import threading
import time
from collections import deque
from pathlib import Path

from tests.cluster.kube import Kube, KubeError
from tests.waiting import eventually


class Kubelet(threading.Thread):
    """Mounts one object; the first files come as soon as it is there, later ones after `delay`."""

    def __init__(
        self, kube: Kube, kind: str, name: str, *, namespace: str, folder: Path, delay: float, stop: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self._path = kube.path_of("v1", kind, name, namespace=namespace)
        self._kube, self._secret = kube, kind == "Secret"
        self._folder, self._delay, self._ended = folder, delay, stop
        self._coming: deque[tuple[float, dict[str, bytes]]] = deque()
        self._last: dict[str, bytes] | None = None

    def mounted(self) -> None:
        """Waits for the first files."""
        eventually(self._folder.is_dir, what=f"files of {self._path}")

    def run(self) -> None:
        while not self._ended.wait(0.2):
            self._look()
            while self._coming and self._coming[0][0] <= time.monotonic():
                self._write(self._coming.popleft()[1])

    def _look(self) -> None:
        try:
            data = self._kube.request("GET", self._path).get("data") or {}
        except KubeError as error:
            if error.status != 404:
                raise
            return
        found = {name: base64.b64decode(text) if self._secret else text.encode() for name, text in data.items()}
        if found != self._last:
            due = time.monotonic() + (self._delay if self._last is not None else 0.0)
            self._coming.append((due, found))
            self._last = found

    def _write(self, files: dict[str, bytes]) -> None:
        """As the kubelet: into a new folder, which a link then names."""
        new = self._folder.with_name(f"{self._folder.name}-{time.monotonic_ns()}")
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        link = new.with_name(f"{new.name}.link")
        link.symlink_to(new, target_is_directory=True)
        link.rename(self._folder)
