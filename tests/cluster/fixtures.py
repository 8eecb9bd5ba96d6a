"""pytest's `cluster`, `kube`, `namespace`, `crds` and `controller_manager`."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import cluster as clusters
from tests.cluster.cluster import Cluster
from tests.cluster.controller_manager import ControllerManager
from tests.cluster.kube import Document, Kube
from tests.cluster.namespaces import create_namespace, delete_namespace
from tests.tools.errors import ToolFailed, ToolMissing

CRDS = Path(__file__).parents[2] / "crds"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The user's cluster, if KUBECONFIG or --kubeconfig names one; else a real API server of this run's own.

    Under xdist each worker has its own: an operator under test sees the whole cluster, and two would disturb each
    other.
    """
    given = clusters.given(request.config.getoption("kubeconfig"))
    try:
        found = clusters.existing(given) if given else clusters.start()
    except (ToolMissing, ToolFailed) as error:
        pytest.fail(str(error), pytrace=False)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def kube(cluster: Cluster) -> Iterator[Kube]:
    """A client with all rights."""
    client = cluster.kube()
    yield client
    client.close()


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """The name of a fresh namespace; it and all that is in it are removed afterwards."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    create_namespace(kube, name)
    yield name
    delete_namespace(kube, name)


@pytest.fixture(scope="session")
def crds(kube: Kube) -> list[Document]:
    """Our CRDs, applied and Established."""
    applied = kube.apply(CRDS)
    for crd in applied:
        kube.wait(kube.path(crd), condition="Established")
    return applied


@pytest.fixture(scope="module")
def controller_manager(request: pytest.FixtureRequest, cluster: Cluster, crds: list[Document]) -> Iterator[None]:
    """A real one ends namespaces and collects garbage while the tests of a module run; a given cluster has its own.

    It comes after our CRDs: which kinds there are, it asks every half minute only.
    """
    del crds
    if clusters.given(request.config.getoption("kubeconfig")):
        yield
        return
    try:
        manager = ControllerManager(cluster)
    except (ToolMissing, ToolFailed) as error:
        pytest.fail(str(error), pytrace=False)
    with manager:
        yield
