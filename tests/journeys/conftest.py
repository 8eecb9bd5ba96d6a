"""`platform` (one for the folder) and `site` (one for each test); on failure the parts' logs are shown."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document
from tests.journeys.harness import Platform
from tests.journeys.site import Site
from tests.s3.fixtures import Bucket

_PLATFORM = pytest.StashKey[Platform]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    platform = item.config.stash.get(_PLATFORM, None)
    if report.failed and platform is not None:
        report.sections += [(f"log of the {name}", text) for name, text in platform.tails().items()]
    return report


@pytest.fixture(scope="package")
def journey_platform(
    cluster: Cluster, crds: list[Document], tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Platform]:
    """One store and one operator for all journeys: what they share in life they share here."""
    platform = Platform(cluster, folder=tmp_path_factory.mktemp("platform"))
    pytestconfig.stash[_PLATFORM] = platform
    yield platform
    del pytestconfig.stash[_PLATFORM]
    platform.close()


@pytest.fixture
def platform(journey_platform: Platform) -> Platform:
    """Store and operator run, whatever the test before has done to them."""
    journey_platform.forget_logs()
    journey_platform.start_store()
    journey_platform.start_operator()
    return journey_platform


@pytest.fixture
def site(platform: Platform, namespace: str, bucket: Bucket, tmp_path: Path) -> Iterator[Site]:
    """A customer with nothing applied yet and no uploader running, on each of the S3 servers."""
    platform.aim(bucket.server)
    made = Site(platform, namespace=namespace, bucket=bucket, folder=tmp_path)
    yield made
    made.close()
