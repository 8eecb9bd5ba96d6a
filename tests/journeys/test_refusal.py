"""The bucket refuses: a fatal error, under both policies."""

from pathlib import Path
from typing import Any

import yaml

from tests.journeys.harness import Platform, write_secret
from tests.journeys.site import Site
from tests.s3.fixtures import Bucket
from tests.s3.servers import least_rights

ELSEWHERE = "elsewhere/"


def test_retain_keeps_the_recording_until_the_rights_are_mended(site: Site, speech: list[Path]) -> None:
    site.open(fatalErrorPolicy="Retain", denialGrace="0s")
    _refuse(site.bucket)

    take = site.record("call.wav", speech[0].read_bytes())

    rejected = site.wait_state(take, "rejected")
    assert "AccessDenied" in rejected["error"]["code"]
    site.assert_kept(take)
    assert site.bucket.keys() == []
    assert site.wait_told(rejected["sid"], "absent").error_code == 53615

    other = site.record("other.wav", speech[1].read_bytes())
    site.wait_state(other, "rejected")

    _mend(site.bucket)
    site.assert_stored(take)
    site.assert_stored(other)
    assert site.wait_told(rejected["sid"], "completed").media_url


def test_delete_deletes_at_once_where_no_grace_is_given_as_the_destination_was_proven(
    site: Site, speech: list[Path]
) -> None:
    site.open(fatalErrorPolicy="Delete", denialGrace="0s")
    _refuse(site.bucket)

    take = site.record("call.wav", speech[0].read_bytes())

    deleted = site.wait_state(take, "deleted")
    assert not (site.spool / "call.wav").exists()
    assert not (site.spool / "call.wav.done").exists()
    assert site.bucket.keys() == []
    assert site.wait_told(deleted["sid"], "absent").media_url is None


def test_delete_deletes_nothing_on_a_destination_that_never_worked(
    platform: Platform, bucket: Bucket, speech: list[Path], tmp_path: Path
) -> None:
    """Alone: nobody has verified the bucket before, so the fault may be in the configuration."""
    _refuse(bucket)
    spool, content = tmp_path / "spool", speech[0].read_bytes()
    spool.mkdir()
    (spool / "call.wav").write_bytes(content)
    (spool / "call.wav.done").touch()
    config = _alone(bucket, path=tmp_path / "uploader.yaml", policy={"fatalErrorPolicy": "Delete", "denialGrace": "0s"})

    once = platform.run("uploader", "--spool", str(spool), "--config", str(config), "--once")

    assert once.code == 3, once.err
    assert "rejected" in platform.run("recordings", "--spool", str(spool), "--json").out
    assert (spool / "call.wav").read_bytes() == content


def _refuse(bucket: Bucket) -> None:
    bucket.server.set_policy(bucket.user.name, least_rights(bucket.name, ELSEWHERE))


def _mend(bucket: Bucket) -> None:
    bucket.server.set_policy(bucket.user.name, least_rights(bucket.name, bucket.prefix))


def _alone(bucket: Bucket, *, path: Path, policy: dict[str, Any]) -> Path:
    """A configuration for an uploader without a store."""
    destination = {
        "url": bucket.url,
        "region": bucket.server.region,
        "accessKeyId": bucket.credentials.access_key,
        "secretAccessKey": bucket.credentials.secret_key,
    }
    return write_secret(path, yaml.safe_dump({"destination": destination, "allowHttp": True, "policy": policy}))
