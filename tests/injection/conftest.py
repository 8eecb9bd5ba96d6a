"""`recorders`: an API server that admits pods as any cluster does, with the policies of the chart in force."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chart.helm import Helm, helm_binary
from tests.cluster import cluster as clusters
from tests.cluster.controller_manager import CONTROLLERS, ControllerManager
from tests.cluster.kube import Kube
from tests.injection.policies import install
from tests.tools.errors import ToolFailed, ToolMissing

WORKLOADS = (
    "resourcequota-controller",
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "job-controller",
)


@contextmanager
def admitting(home: Path) -> Iterator[Kube]:
    """All rights there; the workloads' controllers run. `home` is for helm's files."""
    helm = Helm(helm_binary(), home=home)
    cluster = clusters.start(service_accounts=True)
    try:
        kube = cluster.kube()
        with ControllerManager(cluster, controllers=[*CONTROLLERS, *WORKLOADS]):
            install(kube, helm)
            yield kube
        kube.close()
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def recorders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """See `admitting`."""
    try:
        with admitting(tmp_path_factory.mktemp("helm")) as kube:
            yield kube
    except (ToolMissing, ToolFailed) as error:
        pytest.fail(str(error), pytrace=False)
