"""From `kubectl apply` to the customer's bucket."""

import hashlib
import random
import uuid
from pathlib import Path

from tests.journeys.site import Site

ROOM = f"RM{uuid.uuid4().hex}"
CALL = f"CA{uuid.uuid4().hex}"


def test_a_call_goes_from_the_spool_to_the_bucket_and_the_store_knows_where(site: Site, speech: list[Path]) -> None:
    settings = site.open()
    assert settings["status"]["effective"][0]["bucket"] == site.bucket.name

    take = site.record("calls/one.wav", speech[0].read_bytes(), metadata={"call_sid": CALL, "channels": 1})

    recording = site.assert_stored(take)
    assert recording["sid"].startswith("RE")
    seen = site.client.recordings(recording["sid"]).fetch()
    assert (seen.status, seen.call_sid, seen.channels) == ("completed", CALL, 1)
    assert seen.media_url == recording["media_url"]
    assert [each.sid for each in site.client.recordings.list(call_sid=CALL)] == [recording["sid"]]
    assert site.bucket.uploads() == []


def test_a_rooms_track_is_a_video_recording(site: Site, speech: list[Path]) -> None:
    site.open()

    take = site.record("room/mic.wav", speech[1].read_bytes(), metadata={"room_sid": ROOM, "type": "audio"})

    recording = site.assert_stored(take)
    assert recording["sid"].startswith("RT")
    seen = site.client.video.v1.rooms(ROOM).recordings(recording["sid"]).fetch()
    assert seen.status == "completed"
    whole = site.client.video.v1.recordings(recording["sid"]).fetch()
    assert whole.media_external_location == recording["media_url"]


def test_what_came_before_the_account_waits_for_it(site: Site, speech: list[Path]) -> None:
    site.start_uploader()
    take = site.record("early.wav", speech[2].read_bytes())
    waiting = site.wait_state(take, "waiting")
    assert waiting["error"]["code"] == "NoPlan"

    site.apply_account()

    site.wait_reason(take, "NoSettings")  # and not in the store's own storage: no settings have said so
    site.apply_all()
    site.assert_stored(take)


def test_a_recording_in_several_parts_arrives_whole(site: Site) -> None:
    site.open()
    content = random.Random(5).randbytes(20 * 1024 * 1024)

    take = site.record("screen.mkv", content, metadata={"type": "video", "recording_sid": f"RT{uuid.uuid4().hex}"})

    recording = site.assert_stored(take)
    assert recording["size"] == len(content)
    assert recording["sha256"] == hashlib.sha256(content).hexdigest()
    assert site.bucket.uploads() == []
