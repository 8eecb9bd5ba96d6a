"""An object says of its recording what the settings want, within S3's 2 KB, and never at the upload's expense."""

import json
from email.header import decode_header, make_header
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording_storage.domain.policy import ObjectMetadata
from recording_storage.s3.headers import metadata_headers
from recording_storage.uploader.spool import sidecar_file as sidecar
from recording_storage.uploader.transfer.object_metadata import BUDGET, fitting
from tests.uploader.spools import MIB, SpoolFolder
from tests.uploader.store_link.conftest import ACCOUNT, entry

SID = "RE" + "7" * 32
SAID: dict[str, Any] = {
    "call_sid": "CA9",
    "conference_sid": "CF9",
    "type": "audio",
    "channels": 2,
    "started_at": "2026-01-31T12:00:00+00:00",
    "duration": 12.0,
    "track_name": "Küche",
    "status_callback": "https://user:planted@example.com/cb",
    "status_callback_method": "POST",
    "custom": {"agent": "Zoë", "queue": {"id": 7}},
}
SIDS = {
    "recording-sid": SID,
    "account-sid": ACCOUNT,
    "call-sid": "CA9",
    "conference-sid": "CF9",
    "type": "audio",
    "channels": "2",
    "started-at": "2026-01-31T12:00:00+00:00",
    "duration": "12",
}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (ObjectMetadata.NONE, {}),
        (ObjectMetadata.SIDS, SIDS),
        (
            ObjectMetadata.ALL,
            {**SIDS, "track-name": "Küche", "custom": '{"agent":"Zo\\u00eb","queue":{"id":7}}'},
        ),
    ],
)
def test_what_is_wanted_is_said(wanted: ObjectMetadata, said: dict[str, str]) -> None:
    assert fitting(entry(SID, metadata=SAID), wanted) == (said, [])


def test_a_recording_of_which_nothing_was_said_has_its_sids() -> None:
    assert fitting(entry(SID), "Sids") == ({"recording-sid": SID, "account-sid": ACCOUNT}, [])
    assert fitting(entry(SID, account="AC" + "0" * 32), "All") == ({"recording-sid": SID}, [])


def test_what_has_no_room_is_named_and_what_fits_after_it_is_kept() -> None:
    long = {"call_sid": "C" * 1000, "conference_sid": "F" * 1000, "type": "audio", "custom": {"a": "x" * 2000, "b": 1}}
    kept, left_out = fitting(entry(SID, metadata=long), "All")
    assert left_out == ["conference-sid", "custom.'a'"]
    assert (kept["call-sid"], kept["type"], kept["custom"]) == ("C" * 1000, "audio", '{"b":1}')


PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=400).filter(str.isprintable)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("call_sid", "room_sid", "source_sid", "track_name"), PRINTABLE)
        | {"duration": st.floats(0, 1e9), "custom": st.dictionaries(PRINTABLE, PRINTABLE, max_size=6)},
    )
)
def test_whatever_was_said_fits_and_comes_back(said: dict[str, Any]) -> None:
    """The names and values as they are sent, by RFC 2047 where they are not plain ASCII."""
    kept, left_out = fitting(entry(SID, metadata=said), "All")
    headers = {name.removeprefix("x-amz-meta-"): value for name, value in metadata_headers(kept).items()}
    assert sum(len(name) + len(value.encode("ascii")) for name, value in headers.items()) <= BUDGET
    assert {name: str(make_header(decode_header(value))) for name, value in headers.items()} == kept
    if not left_out and said.get("custom"):
        assert json.loads(kept["custom"]) == said["custom"]
    expected = {name.replace("_", "-") for name in said if name != "custom"}
    assert expected <= {*kept, *left_out}


@pytest.mark.parametrize("size", [1000, 9 * MIB])
def test_the_bucket_shows_it(quick: SpoolFolder, size: int) -> None:
    said = {name: value for name, value in SAID.items() if name != "custom"} | SAID["custom"]
    quick.write_config(policy='{"objectMetadata": "All"}')
    quick.put("a.wav", size)
    (quick.root / f"a.wav{sidecar.SUFFIX}").write_text(json.dumps(said))
    assert quick.once().returncode == 0
    [receipt] = quick.receipts
    head = quick.bucket.admin.head_object(Bucket=quick.bucket.name, Key=receipt["objects"][0]["key"])
    shown = {name: str(make_header(decode_header(value))) for name, value in head["Metadata"].items()}
    assert shown.pop("recording-sid") == receipt["sid"]
    custom = json.loads(shown.pop("custom"))
    assert custom == SAID["custom"]
    wanted = {**SIDS, "track-name": "Küche"}
    assert shown == {name: value for name, value in wanted.items() if name not in {"recording-sid", "account-sid"}}


def test_the_default_is_sids_and_too_much_is_told_once_and_stored_all_the_same(quick: SpoolFolder) -> None:
    quick.put("a.wav")
    said = {"call_sid": "C" * 1000, "conference_sid": "F" * 1024, "type": "audio", "agent": "Zoë"}
    (quick.root / f"a.wav{sidecar.SUFFIX}").write_text(json.dumps(said))
    ended = quick.once()
    assert ended.returncode == 0
    [told] = [line for line in ended.stderr.splitlines() if "room for 2048 bytes" in line]
    assert told.endswith("conference-sid")
    [receipt] = quick.receipts
    head = quick.bucket.admin.head_object(Bucket=quick.bucket.name, Key=receipt["objects"][0]["key"])
    assert head["Metadata"] == {"recording-sid": receipt["sid"], "call-sid": "C" * 1000, "type": "audio"}
    assert receipt["metadata"]["conference_sid"] == "F" * 1024
    assert receipt["custom"] == {"agent": "Zoë"}
    quick.check_all_stored()
