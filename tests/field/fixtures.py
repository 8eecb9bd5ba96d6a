"""pytest's `field`, `field_bucket` and `field_spool`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field.integrity import everything
from tests.field.server import FieldBucket, FieldServer
from tests.uploader.spools import SpoolFolder


@pytest.fixture
def field() -> Iterator[FieldServer]:
    """A server that does all as it should, until the test says otherwise."""
    with FieldServer() as server:
        server.vouching = everything()
        yield server


@pytest.fixture
def field_bucket(field: FieldServer) -> FieldBucket:
    return field.bucket()


@pytest.fixture
def field_spool(tmp_path: Path, field_bucket: FieldBucket) -> SpoolFolder:
    return SpoolFolder(tmp_path / "spool", field_bucket)
