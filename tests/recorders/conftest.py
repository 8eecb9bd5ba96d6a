"""pytest's `quick_bucket`."""

import pytest

from tests.s3.fixtures import Bucket, create_bucket
from tests.s3.servers import S3Server


@pytest.fixture
def quick_bucket(moto_server: S3Server) -> Bucket:
    return create_bucket(moto_server)
