"""A cluster whose etcd is put back to an earlier state, as from a snapshot of its volume."""

import os
import shutil
import signal
import time
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster import cluster as clusters
from tests.cluster.kube import Document, KubeError
from tests.cluster.processes import READY_TIMEOUT
from tests.tools.processes import mentioning


class RestorableCluster:
    """Of one module's tests alone; `cluster` and `kube` are other ones after `restore`: its port is another one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "cluster"
        self._data = self._folder / "etcd"
        self._backup = folder / "etcd-backup"
        self.cluster = clusters.start(self._folder)
        self.kube = self.cluster.kube()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def back_up(self) -> None:
        """All that the API server has answered for, and nothing later: etcd stands still meanwhile.

        It takes the place of an earlier one.
        """
        shutil.rmtree(self._backup, ignore_errors=True)
        (etcd,) = mentioning(f"--data-dir={self._data}")
        os.kill(etcd, signal.SIGSTOP)
        try:
            shutil.copytree(self._data, self._backup)
        finally:
            os.kill(etcd, signal.SIGCONT)

    def restore(self) -> None:
        """Both processes end, and begin on the backup's data."""
        self._stop()
        shutil.rmtree(self._data)
        shutil.copytree(self._backup, self._data)
        self.cluster = clusters.start(self._folder)
        self.kube = self.cluster.kube()
        for crd in self.kube.list("apiextensions.k8s.io/v1", "CustomResourceDefinition"):
            self._await_served(crd["spec"])

    def _await_served(self, crd: Document) -> None:
        """Readiness does not tell of it: until then the API server answers that its storage is being initialized."""
        path = f"/apis/{crd['group']}/{crd['versions'][0]['name']}/{crd['names']['plural']}"
        deadline = time.monotonic() + READY_TIMEOUT
        while True:
            try:
                self.kube.request("GET", path)
            except KubeError as error:
                if error.status != HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def _stop(self) -> None:
        self.kube.close()
        self.cluster.stop()
