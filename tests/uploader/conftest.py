"""pytest's `spool`, `gated` and `moto_bucket`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.s3.fixtures import Bucket, create_bucket
from tests.s3.gate import Gate
from tests.s3.servers import S3Server
from tests.uploader.spools import SpoolFolder


@pytest.fixture
def spool(tmp_path: Path, bucket: Bucket) -> SpoolFolder:
    """On every S3 server."""
    return SpoolFolder(tmp_path / "spool", bucket)


@pytest.fixture
def moto_bucket(moto_server: S3Server) -> Bucket:
    return create_bucket(moto_server)


@pytest.fixture
def quick(tmp_path: Path, moto_bucket: Bucket) -> SpoolFolder:
    """On the quick server alone."""
    return SpoolFolder(tmp_path / "spool", moto_bucket)


@pytest.fixture
def door(moto_server: S3Server) -> Iterator[Gate]:
    """A gate in front of the quick server."""
    with Gate(moto_server.endpoint) as opened:
        yield opened


@pytest.fixture
def gated(tmp_path: Path, moto_bucket: Bucket, door: Gate) -> SpoolFolder:
    """A spool whose destination is reached through `door`."""
    return SpoolFolder(tmp_path / "spool", moto_bucket, endpoint=door.endpoint)
