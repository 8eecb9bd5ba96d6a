"""Keeps the token files fresh, as the kubelet does in a pod."""

import threading
from pathlib import Path

from recording_storage.demo.kube import Kube
from recording_storage.demo.samples import NAMESPACE, OPERATOR, RECORDER

_RENEW_EVERY = 20 * 60.0
"""Seconds; API servers may shorten what is asked for to an hour."""


class Tokens:
    def __init__(self, kube: Kube, *, operator: Path, uploader: Path) -> None:
        self._kube = kube
        self._files = {OPERATOR: operator, RECORDER: uploader}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="tokens", daemon=True)

    def start(self) -> None:
        self._write()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _renew(self) -> None:
        while not self._stop.wait(_RENEW_EVERY):
            self._write()

    def _write(self) -> None:
        for name, path in self._files.items():
            token = self._kube.token(namespace=NAMESPACE, service_account=name, pod=name)
            part = path.with_name(f".{path.name}.part")
            part.touch(mode=0o600)
            part.write_text(token)
            part.replace(path)
