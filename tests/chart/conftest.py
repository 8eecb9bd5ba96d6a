"""`helm` renders; `cluster_helm` speaks with the tests' API server, too."""

from pathlib import Path

import pytest

from tests.chart.helm import Helm, helm_binary
from tests.cluster.cluster import Cluster
from tests.tools.errors import ToolMissing


@pytest.fixture(scope="session")
def helm_tool() -> Path:
    try:
        return helm_binary()
    except ToolMissing as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def helm(helm_tool: Path, tmp_path: Path) -> Helm:
    return Helm(helm_tool, home=tmp_path)


@pytest.fixture
def cluster_helm(helm_tool: Path, tmp_path: Path, cluster: Cluster) -> Helm:
    return Helm(helm_tool, home=tmp_path, kubeconfig=cluster.kubeconfig)
