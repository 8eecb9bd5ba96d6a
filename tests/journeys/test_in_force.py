"""A recording goes where the settings say that are in force; where none are, it waits."""

from pathlib import Path

import httpx
import pytest

from tests.journeys.site import GROUP, Site, Take
from tests.waiting import SOON, eventually


def test_settings_that_changed_while_the_uploader_was_away_count_for_what_it_finds(
    site: Site, speech: list[Path]
) -> None:
    site.open()
    site.assert_stored(site.record("before.wav", speech[0].read_bytes()))
    site.kill_uploader()
    there = f"{site.bucket_url}/elsewhere"
    site.apply_settings(url=there)
    site.wait_ready()

    takes = [site.record("away.wav", speech[1].read_bytes())]
    site.start_uploader()
    takes.append(site.record("after.wav", speech[2].read_bytes()))

    for take in takes:
        _assert_at(site, take, there)


def test_a_store_that_comes_late_says_where_recordings_go(site: Site, speech: list[Path]) -> None:
    """Also when the plan of before serves already."""
    site.open()
    site.assert_stored(site.record("before.wav", speech[0].read_bytes()))
    site.kill_uploader()
    there = f"{site.bucket_url}/elsewhere"
    site.apply_settings(url=there)
    site.wait_ready()
    site.platform.kill("store")

    site.start_uploader("--stale-plan-after", "1s")
    take = site.record("during.wav", speech[1].read_bytes())
    site.wait_reason(take, "NoPlan")
    eventually(lambda: site.status()["store"]["plan"] == "journalled", what="the plan of before serves")
    assert "NO PLAN" in site.command("status").out
    site.platform.start_store()

    _assert_at(site, take, there)
    assert site.status()["store"]["plan"] == "in_force"


def test_what_was_recorded_under_refused_settings_goes_to_the_bucket_once_they_are_mended(
    site: Site, speech: list[Path]
) -> None:
    site.apply_account()
    site.apply_keys()
    site.apply_credential()
    site.apply_settings(url="https://127.0.0.1:1/nobody/calls")
    site.start_uploader()
    take = site.record("call.wav", speech[0].read_bytes())
    video = site.record("track.wav", speech[1].read_bytes(), metadata={"type": "video"})

    site.wait_reason(take, "NoSettings")
    site.wait_reason(video, "NoSettings")
    message = eventually(lambda: _refused(site), what="the settings are refused")
    assert "no settings are in force for voice and video" in message
    site.apply_settings()

    site.wait_ready()
    site.assert_stored(take)
    site.assert_stored(video)


def test_settings_for_video_only_leave_voice_waiting(site: Site, speech: list[Path]) -> None:
    site.apply_account()
    site.apply_keys()
    site.apply_credential()
    site.apply_settings(spec={"products": ["video"]})
    site.start_uploader()
    settings = site.wait_ready()
    site.wait_applied()

    voice = site.record("call.wav", speech[0].read_bytes())
    video = site.record("track.wav", speech[1].read_bytes(), metadata={"type": "video"})

    site.assert_stored(video)
    site.wait_reason(voice, "NoSettings")
    assert [each["product"] for each in settings["status"]["waiting"]] == ["voice"]
    site.apply_settings()
    site.assert_stored(voice)
    assert not site.wait_ready()["status"].get("waiting")


@pytest.mark.parametrize("enabled", [True, False])
def test_a_recording_waits_again_once_disabling_settings_are_deleted(
    site: Site, speech: list[Path], *, enabled: bool
) -> None:
    """Whether they had sent recordings to the bucket or to own storage."""
    site.apply_account()
    site.apply_keys()
    site.apply_credential()
    site.apply_settings(enabled=enabled, spec={"deletionPolicy": "Disable"})
    site.start_uploader()
    site.wait_ready()
    site.wait_applied()
    site.wait_state(site.record("before.wav", speech[0].read_bytes()), "released")
    assert len(site.bucket.keys()) == int(enabled)

    before = _revision(site)
    site.kube.delete(GROUP, "RecordingSettings", "default", namespace=site.namespace)
    eventually(lambda: _revision(site) >= before + 2, what="the uploader knows that both products are off")
    take = site.record("between.wav", speech[1].read_bytes())

    site.wait_reason(take, "NoSettings")
    answer = httpx.get(
        f"{site.platform.store_url}/v1/VoiceRecordingSettings/Default", auth=site.api_key, timeout=SOON
    ).json()
    assert (answer["aws_storage_enabled"], answer["own_storage"]) == (False, "withheld")
    site.apply_settings()
    site.assert_stored(take)


def _assert_at(site: Site, take: Take, url: str) -> None:
    """Stored below that URL, a folder of the site's own."""
    recording = site.wait_state(take, "released")
    name = f"{recording['sid']}{Path(take.name).suffix}"
    assert recording["media_url"] == f"{url}/{name}"
    folder = url.removeprefix(site.bucket_url).lstrip("/")
    assert site.bucket.read(f"{site.bucket.prefix}{folder}/{name}") == take.content


def _revision(site: Site) -> int:
    return int(site.status().get("revisions", {}).get(site.account_sid, 0))


def _refused(site: Site) -> str:
    """What Ready says, once the store has refused the URL."""
    conditions = site.get("RecordingSettings", "default").get("status", {}).get("conditions", [])
    ready = next((each for each in conditions if each["type"] == "Ready"), {})
    return str(ready["message"]) if ready.get("reason") == "InvalidBucketUrl" else ""
