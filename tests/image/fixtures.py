"""pytest's `image` and `image_root`."""

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from tests.image import builder
from tests.image.oci import OciArchive
from tests.tools.errors import ToolFailed, ToolMissing


@pytest.fixture(scope="session")
def image() -> OciArchive:
    """The image of this checkout; without root, or where no Debian package can be had, its tests are skipped."""
    try:
        return OciArchive(builder.built())
    except ToolMissing as error:
        pytest.skip(f"NO IMAGE HERE: {error}")
    except ToolFailed as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def image_root(image: OciArchive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its files."""
    root = tmp_path_factory.mktemp("image")
    image.unpack(root)
    root.chmod(0o755)
    yield root
    rmtree(root)  # half a gigabyte
