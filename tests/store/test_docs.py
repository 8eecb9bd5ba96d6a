"""What docs/store.md promises is what the store has."""

from pathlib import Path

import pytest

from recording_storage.domain.settings_parameters import PARAMETERS
from recording_storage.store.errors import STATUS, ErrorCode

PROSE = (Path(__file__).parents[2] / "docs" / "store.md").read_text()


@pytest.mark.parametrize("parameter", sorted(PARAMETERS))
def test_every_parameter_is_documented(parameter: str):
    assert f"`{parameter}`" in PROSE


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_is_documented_and_has_a_status(code: ErrorCode):
    assert f"| {code.value} |" in PROSE
    assert 400 <= STATUS[code] < 600
