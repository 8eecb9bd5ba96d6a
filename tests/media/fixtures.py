"""pytest's `speech`."""

from pathlib import Path

import pytest

from tests.media.speech import speech_files
from tests.tools.errors import ToolMissing


@pytest.fixture(scope="session")
def speech() -> list[Path]:
    """Files of recorded speech."""
    try:
        return speech_files()
    except ToolMissing as error:
        pytest.fail(str(error), pytrace=False)
