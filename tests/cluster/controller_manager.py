"""A real kube-controller-manager beside a test's API server: namespaces end, and what belongs to nothing goes."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.cluster.cluster import Cluster
from tests.cluster.kube import KubeError
from tests.cluster.processes import READY_TIMEOUT
from tests.tools import binaries
from tests.tools.children import Children
from tests.tools.errors import ToolFailed
from tests.tools.progress import tail

CONTROLLERS = ("namespace-controller", "garbage-collector-controller")
_PROBE = "garbage-collector-probe"


class ControllerManager:
    """Runs with the rights of the cluster's kubeconfig until it is left, as a context, or its process ends."""

    def __init__(self, cluster: Cluster, *, controllers: Sequence[str] = CONTROLLERS) -> None:
        self._kube = cluster.kube()
        self._log = cluster.data_dir / "kube-controller-manager.log"
        self._children = Children()
        arguments = [
            f"--kubeconfig={cluster.kubeconfig}",
            f"--controllers={','.join(controllers)}",
            "--leader-elect=false",
            "--secure-port=0",  # nobody asks it anything
            "--namespace-sync-period=5s",
        ]
        try:
            self._children.start("manager", [binaries.find("kube-controller-manager"), *arguments], log=self._log)
            self._wait_until_it_collects()
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _wait_until_it_collects(self) -> None:
        """It works once it has read all that is there; only something to collect shows that."""
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}
        metadata = {"name": _PROBE, "namespace": "default", "ownerReferences": [owner]}
        self._kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        deadline = time.monotonic() + READY_TIMEOUT
        while self._is_there():
            if self._children.exit_code("manager") is not None or time.monotonic() > deadline:
                raise ToolFailed(f"kube-controller-manager collects nothing:\n{tail(self._log)}")
            time.sleep(0.05)

    def _is_there(self) -> bool:
        try:
            self._kube.get("v1", "ConfigMap", _PROBE, namespace="default")
        except KubeError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _close(self) -> None:
        self._children.close()
        self._kube.close()
