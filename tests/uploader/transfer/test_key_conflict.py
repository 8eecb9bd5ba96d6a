"""Another's object under our key is never taken for ours where that can be told."""

import json

import pytest

from tests.s3.gate import Gate
from tests.uploader.spools import MIB, SpoolFolder

pytestmark = pytest.mark.slow
SID = "RE" + "1" * 32
KEY = f"calls/{SID}.mkv"
FOREIGN = b"somebody else's"


def put_named(spool: SpoolFolder) -> None:
    spool.put("a.mkv", 12 * MIB)
    (spool.root / "a.mkv.recording.json").write_text(json.dumps({"recording_sid": SID}))


def put_foreign(spool: SpoolFolder) -> None:
    spool.bucket.admin.put_object(Bucket=spool.bucket.name, Key=KEY, Body=FOREIGN)


def check_kept(spool: SpoolFolder) -> None:
    assert (spool.root / "a.mkv").read_bytes() == spool.contents["a.mkv"]
    assert spool.bucket.read(KEY) == FOREIGN
    assert spool.bucket.uploads() == []


def test_an_upload_that_is_still_open_has_not_made_the_object(spool: SpoolFolder) -> None:
    """Its process was killed before it was completed, and meanwhile somebody took the key."""
    put_named(spool)
    spool.once(fault="before-complete")
    put_foreign(spool)
    assert spool.once().returncode == 3
    check_kept(spool)
    with spool.running() as running:
        found = running.await_states({"a.mkv": "parked"})
        assert found["a.mkv"].error is not None
        assert found["a.mkv"].error.code == "KeyTaken"
        running.uploader.view.retry(None)  # for good: also when nothing is left open
        running.await_attempt("a.mkv", after=found["a.mkv"].attempts)
        running.await_states({"a.mkv": "parked"})
    check_kept(spool)
    spool.bucket.admin.delete_object(Bucket=spool.bucket.name, Key=KEY)
    with spool.running() as running:
        running.uploader.view.retry(None)
        running.await_states({"a.mkv": "released"})
    spool.check_all_stored()


def test_a_completion_that_never_arrived_has_not_made_the_object(gated: SpoolFolder, door: Gate) -> None:
    door.answer(r"^POST .*uploadId", 500, code="InternalError", times=1)
    put_named(gated)
    put_foreign(gated)
    with gated.running() as running:
        found = running.await_states({"a.mkv": "parked"})
        assert found["a.mkv"].error is not None
        assert found["a.mkv"].error.code == "KeyTaken"
        running.uploader.view.retry(None)
        running.await_attempt("a.mkv", after=found["a.mkv"].attempts)
        running.await_states({"a.mkv": "parked"})
    check_kept(gated)
