"""A cluster whose etcd is put back to an earlier state, as from a snapshot of its volume."""

import os
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster import cluster as clusters
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

    def _stop(self) -> None:
        self.kube.close()
        self.cluster.stop()
