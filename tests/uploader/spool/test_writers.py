"""The kernel's word on who writes to a file."""

import os
from pathlib import Path

import pytest

from recording_storage.uploader.spool.writers import Writers, writers


@pytest.fixture
def written(tmp_path: Path) -> int:
    path = tmp_path / "a.wav"
    path.write_bytes(b"a call")
    return os.open(path, os.O_RDONLY)


def test_who_writes_is_told_until_it_is_closed(tmp_path: Path, written: int) -> None:
    assert writers(written) is Writers.NONE
    writer = os.open(tmp_path / "a.wav", os.O_WRONLY)
    assert writers(written) is Writers.SOME
    os.close(writer)
    assert writers(written) is Writers.NONE


def test_a_refusal_of_a_network_file_system_says_nothing(
    tmp_path: Path, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS refuses a lease without a delegation, CIFS without an oplock, although nobody has the file open."""
    module = "recording_storage.uploader.spool.writers"
    monkeypatch.setattr(f"{module}.network_file_system", lambda place: "nfs" if isinstance(place, int) else None)
    writer = os.open(tmp_path / "a.wav", os.O_WRONLY)
    assert writers(written) is Writers.UNKNOWN
    os.close(writer)
