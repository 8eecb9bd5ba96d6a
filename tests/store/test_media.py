"""Media that the store keeps can be played; media that it doesn't keep is told where it is."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from recording_storage.domain.states import Product, RecordingState
from recording_storage.store.services.accounts import create_account
from tests.store.conftest import LiveStore
from tests.store.rows import add_recording, keep_media
from tests.waiting import SOON

SOUND = bytes(range(256)) * 40
VOICE = {"product": Product.VOICE, "content_type": "audio/x-wav", "file": "a/call.wav"}
EXTERNAL = "https://bucket.s3.eu-west-1.amazonaws.com/calls/x.wav"


@pytest.fixture
def http(live: LiveStore):
    with live.http() as client:
        yield client


def voice(live: LiveStore, sid: str, ext: str = "") -> str:
    return f"/2010-04-01/Accounts/{live.account.sid}/Recordings/{sid}{ext}"


@pytest.mark.parametrize("ext", ["", ".wav", ".WAV"])
def test_a_voice_recording_is_played(live: LiveStore, http: httpx.Client, ext: str):
    sid = keep_media(live.store, live.account.sid, content=SOUND, **VOICE)
    answer = http.get(voice(live, sid, ext))
    assert (answer.status_code, answer.content) == (200, SOUND)
    assert answer.headers["content-type"] == "audio/x-wav"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert http.get(voice(live, sid, ".json")).json()["media_url"] == live.url + voice(live, sid)
    assert http.head(voice(live, sid, ext)).headers["content-length"] == str(len(SOUND))


def test_a_player_can_seek(live: LiveStore, http: httpx.Client):
    sid = keep_media(live.store, live.account.sid, content=SOUND, **VOICE)
    answer = http.get(voice(live, sid, ".wav"), headers={"Range": "bytes=1000-1999"})
    assert (answer.status_code, answer.content) == (206, SOUND[1000:2000])
    assert answer.headers["content-range"] == f"bytes 1000-1999/{len(SOUND)}"
    assert http.get(voice(live, sid), headers={"Range": "bytes=-100"}).content == SOUND[-100:]
    assert http.get(voice(live, sid), headers={"Range": f"bytes={len(SOUND)}-"}).status_code == 416


def test_nothing_is_converted(live: LiveStore, http: httpx.Client):
    sid = keep_media(live.store, live.account.sid, content=SOUND, **VOICE)
    answer = http.get(voice(live, sid, ".mp3"))
    assert answer.status_code == 404
    assert ".wav" in answer.json()["message"]


def test_a_page_with_a_script_is_not_shown_in_place(live: LiveStore, http: httpx.Client):
    page = VOICE | {"content_type": "text/html", "file": "x.html"}
    sid = keep_media(live.store, live.account.sid, content=b"<script>", **page)
    answer = http.get(voice(live, sid))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_video_media_by_a_link_that_ends(live: LiveStore, http: httpx.Client, monkeypatch: pytest.MonkeyPatch):
    sid = keep_media(live.store, live.account.sid, content=SOUND, content_type="video/x-matroska")
    answer = http.get(f"/v1/Recordings/{sid}/Media?Ttl=60")
    assert answer.status_code == 302
    link = answer.headers["location"]
    assert answer.json() == {"redirect_to": link}
    assert httpx.get(link, timeout=SOON).content == SOUND, "without any credential"
    assert httpx.get(link, headers={"Range": "bytes=0-9"}, timeout=SOON).content == SOUND[:10]
    query = parse_qs(urlsplit(link).query)
    other = create_account(live.store, friendly_name="other").sid
    for wrong in (
        link.replace(query["signature"][0], "0" * 64),
        link.replace(query["expires"][0], "99999999999"),
        link.replace(live.account.sid, other),
        link.split("?")[0],
        link + "0",
        link.replace("expires=", "expires=é"),
    ):
        assert httpx.get(wrong, timeout=SOON).json()["code"] == 20403, wrong
    later = int(query["expires"][0]) + 1
    monkeypatch.setattr("recording_storage.store.media_links.time.time", lambda: later)
    assert httpx.get(link, timeout=SOON).json()["code"] == 20403


@pytest.mark.parametrize("ttl", ["0", "-1", "x", "999999999999999", "²"])
def test_a_ttl_that_is_none(live: LiveStore, http: httpx.Client, ttl: str):
    sid = keep_media(live.store, live.account.sid, content=SOUND)
    assert http.get(f"/v1/Recordings/{sid}/Media", params={"Ttl": ttl}).json()["code"] == 20001


def test_external_media_is_told_where_it_is(live: LiveStore, http: httpx.Client):
    heard = add_recording(live.store, live.account.sid, media_url=EXTERNAL, **VOICE)
    seen = add_recording(live.store, live.account.sid, media_url=EXTERNAL, room_sid="RM" + "1" * 32)
    for path in (
        voice(live, heard),
        voice(live, heard, ".wav"),
        voice(live, heard, ".mp3"),
        f"/v1/Recordings/{seen}/Media",
        f"/v1/Rooms/{'RM' + '1' * 32}/Recordings/{seen}/Media",
    ):
        answer = http.get(path)
        assert answer.status_code == 404
        assert EXTERNAL in answer.json()["message"]
    assert http.get(voice(live, heard, ".json")).json()["media_url"] == EXTERNAL


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (RecordingState.UPLOADING, "processed"),
        (RecordingState.PARKED, "processed"),
        (RecordingState.DELETED, "no media"),
    ],
)
def test_media_that_is_not_there(live: LiveStore, http: httpx.Client, state: RecordingState, words: str):
    sid = add_recording(live.store, live.account.sid, state=state, **VOICE)
    answer = http.get(voice(live, sid, ".wav"))
    assert answer.status_code == 404
    assert words in answer.json()["message"]
    assert http.get(voice(live, sid, ".json")).json()["media_url"] is None


def test_deleting_takes_the_media_along(live: LiveStore, http: httpx.Client):
    sid = keep_media(live.store, live.account.sid, content=SOUND, **VOICE)
    assert [file.name for file in live.store.config.media.rglob("*") if file.is_file()] == [sid]
    assert http.delete(voice(live, sid, ".json")).status_code == 204
    assert http.delete(voice(live, sid, ".json")).status_code == 404
    assert http.get(voice(live, sid, ".wav")).status_code == 404
    assert [file.name for file in live.store.config.media.rglob("*") if file.is_file()] == []
