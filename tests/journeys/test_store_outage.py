"""The store is away while recordings arrive."""

from pathlib import Path

from tests.journeys.site import Site


def test_they_are_stored_meanwhile_and_go_once_the_store_has_heard_of_them(site: Site, speech: list[Path]) -> None:
    site.open()
    site.assert_stored(site.record("before.wav", speech[0].read_bytes()))
    site.platform.kill("store")

    takes = [site.record(f"during-{n}.wav", file.read_bytes()) for n, file in enumerate(speech[:3])]

    for take in takes:
        stored = site.wait_state(take, "stored")
        assert site.bucket.read(site.object_key(stored)) == take.content
        site.assert_kept(take)  # what nobody has acknowledged is not deleted
    site.platform.start_store()
    for take in takes:
        recording = site.assert_stored(take)
        assert site.wait_told(recording["sid"], "completed").media_url == recording["media_url"]


def test_an_uploader_that_starts_without_the_store_waits_for_a_plan(site: Site, speech: list[Path]) -> None:
    site.open()
    site.assert_stored(site.record("before.wav", speech[0].read_bytes()))
    site.kill_uploader()
    site.platform.kill("store")
    site.start_uploader()

    take = site.record("during.wav", speech[1].read_bytes())

    waiting = site.wait_state(take, "waiting")
    assert waiting["error"]["code"] == "NoPlan"
    site.assert_kept(take)
    site.platform.start_store()
    site.assert_stored(take)
