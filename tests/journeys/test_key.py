"""The customer's key: disabled, deleted, mended, rotated."""

from pathlib import Path

import pytest

from tests.journeys.site import Site
from tests.waiting import eventually


def test_a_deleted_key_holds_recordings_until_the_secret_has_a_new_one(site: Site, speech: list[Path]) -> None:
    site.open()
    server, user = site.bucket.server, site.bucket.user
    server.delete_key(user)
    take = site.record("call.wav", speech[0].read_bytes())
    held = site.wait_state(take, "held")
    assert held["error"]["code"] == "InvalidAccessKeyId"
    site.assert_kept(take)

    site.apply_keys(server.rotate_key(user).credentials)

    site.assert_stored(take)


@pytest.mark.parametrize("s3_server", ["versity_server"], indirect=True)  # moto can't disable a key
def test_a_disabled_key_that_is_enabled_again_releases_what_was_held(site: Site, speech: list[Path]) -> None:
    site.open()
    site.bucket.server.deactivate_key(site.bucket.user)
    take = site.record("call.wav", speech[0].read_bytes())
    site.wait_state(take, "held")

    site.bucket.server.deactivate_key(site.bucket.user, active=True)

    site.assert_stored(take)


def test_a_rotated_key_reaches_what_is_waiting(site: Site, speech: list[Path]) -> None:
    """The bucket answers to everything but whole recordings; meanwhile the old key goes."""
    site.open()
    server, user, gate = site.bucket.server, site.bucket.user, site.platform.gate
    gate.answer(rf"^PUT /{site.bucket.name}/calls/RE", 503, code="ServiceUnavailable", times=1_000_000)
    take = site.record("call.wav", speech[0].read_bytes())
    site.wait_state(take, "waiting")
    before = site.get("AwsCredential", "main")["status"]["sid"]

    rotated = server.rotate_key(user)
    site.apply_keys(rotated.credentials)
    eventually(lambda: site.get("AwsCredential", "main")["status"]["sid"] != before, what="the new key is in use")
    site.wait_ready("AwsCredential", "main")
    server.delete_key(user)
    gate.clear()

    site.assert_stored(take)
    eventually(
        lambda: (
            [each.sid for each in site.client.accounts.v1.credentials.aws.list()]
            == [site.get("AwsCredential", "main")["status"]["sid"]]
        ),
        what="the old credential is gone from the store",
    )
