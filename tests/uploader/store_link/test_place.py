"""What injection writes into the environment is told to the store as it stands there."""

import logging

import pytest

from recording_storage.protocol.sync import SpoolPlace
from recording_storage.uploader.store_link.place import place_from

FULL = {
    "RECORDING_STORAGE_SPOOL_CLAIM": "calls",
    "RECORDING_STORAGE_SPOOL_SUB_PATH": "/voice/",
    "RECORDING_STORAGE_SPOOL_VOLUME": "spool",
    "RECORDING_STORAGE_SPOOL_ACCOUNT": "media/acme",
}


def test_all_of_it_is_read() -> None:
    assert place_from(FULL) == SpoolPlace(claim="calls", sub_path="voice", volume="spool", account="media/acme")


@pytest.mark.parametrize("claim", ["", " "])
def test_without_a_claim_there_is_no_place(claim: str) -> None:
    assert place_from(FULL | {"RECORDING_STORAGE_SPOOL_CLAIM": claim}) is None
    assert place_from({}) is None


def test_a_value_that_cannot_be_meant_is_told_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = place_from(FULL | {"RECORDING_STORAGE_SPOOL_ACCOUNT": "a" * 508})
    assert found == SpoolPlace(claim="calls", sub_path="voice", volume="spool")
    assert "RECORDING_STORAGE_SPOOL_ACCOUNT" in caplog.text
