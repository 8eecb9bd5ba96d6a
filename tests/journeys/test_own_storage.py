"""While external storage is off, the store keeps the media itself; and the way back."""

import hashlib
import uuid
from pathlib import Path

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException

from tests.journeys.site import Site
from tests.waiting import SOON

ROOM = f"RM{uuid.uuid4().hex}"


def test_a_call_recorded_while_disabled_plays_from_the_store(site: Site, speech: list[Path]) -> None:
    site.open(enabled=False)

    take = site.record("call.wav", speech[0].read_bytes())

    recording = site.wait_state(take, "released")
    assert site.bucket.keys() == []
    assert not (site.spool / take.name).exists()
    seen = site.client.recordings(recording["sid"]).fetch()
    assert seen.status == "completed"
    whole = httpx.get(f"{seen.media_url}.wav", auth=site.api_key, timeout=SOON)
    assert hashlib.sha256(whole.content).hexdigest() == take.sha256
    assert whole.headers["content-type"].startswith("audio/")
    part = httpx.get(f"{seen.media_url}.wav", auth=site.api_key, headers={"Range": "bytes=1000-1999"}, timeout=SOON)
    assert part.status_code == 206
    assert part.content == take.content[1000:2000]


def test_enabled_again_new_ones_go_to_the_bucket_and_old_ones_still_play(site: Site, speech: list[Path]) -> None:
    site.open(enabled=False)
    metadata = {"room_sid": ROOM, "type": "audio"}
    kept = site.record("kept.wav", speech[0].read_bytes(), metadata=metadata)
    here = site.wait_state(kept, "released")["sid"]

    site.apply_settings(enabled=True)
    site.wait_ready()
    site.wait_applied()
    sent = site.record("sent.wav", speech[1].read_bytes(), metadata=metadata)
    there = site.assert_stored(sent)["sid"]

    assert _played(site, here) == kept.content
    refused = httpx.get(_media(site, there), auth=site.api_key, follow_redirects=True, timeout=SOON)
    assert refused.status_code == 404
    assert f"{site.bucket_url}/{there}.wav" in refused.json()["message"]
    assert refused.json()["code"] == 20404
    with pytest.raises(TwilioRestException):
        site.client.video.v1.compositions.create(room_sid=ROOM, audio_sources=["*"])

    site.apply_settings(enabled=False)
    site.wait_ready()
    site.wait_applied()
    again = site.wait_state(site.record("again.wav", speech[2].read_bytes(), metadata=metadata), "released")
    assert _played(site, again["sid"]) == speech[2].read_bytes()
    assert len(site.bucket.keys()) == 1


def test_an_external_calls_media_endpoint_names_where_it_is(site: Site, speech: list[Path]) -> None:
    site.open()
    recording = site.assert_stored(site.record("call.wav", speech[0].read_bytes()))
    uri = site.client.recordings(recording["sid"]).fetch().uri.removesuffix(".json")

    answer = httpx.get(f"{site.platform.store_url}{uri}.wav", auth=site.api_key, timeout=SOON)

    assert answer.status_code == 404
    assert recording["media_url"] in answer.json()["message"]


def _media(site: Site, sid: str) -> str:
    return f"{site.platform.store_url}/v1/Recordings/{sid}/Media"


def _played(site: Site, sid: str) -> bytes:
    """As a player does: follow the link, ask for the end first."""
    link = httpx.get(_media(site, sid), auth=site.api_key, timeout=SOON)
    assert link.status_code == 302
    whole = httpx.get(link.headers["location"], timeout=SOON)
    tail = httpx.get(link.headers["location"], headers={"Range": "bytes=-100"}, timeout=SOON)
    assert (tail.status_code, tail.content) == (206, whole.content[-100:])
    return whole.content
