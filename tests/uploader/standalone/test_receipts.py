"""Receipts: what they say, how they are chained, and that no crash breaks the chain."""

import base64
import hashlib
import json

from tests.uploader.spools import MIB, SpoolFolder


def test_a_receipt_names_the_object_with_its_version(quick: SpoolFolder) -> None:
    """The bucket itself is asked: what it shows is what the receipt says."""
    quick.bucket.admin.put_bucket_versioning(Bucket=quick.bucket.name, VersioningConfiguration={"Status": "Enabled"})
    quick.put("small.wav", 1000)
    quick.put("large.wav", 9 * MIB)
    assert quick.once().returncode == 0
    receipts = {one["file"]: one for one in quick.receipts}
    assert {one["v"] for one in receipts.values()} == {1}
    for name in ("small.wav", "large.wav"):
        [item] = receipts[name]["objects"]
        head = quick.bucket.admin.head_object(Bucket=quick.bucket.name, Key=item["key"])
        assert item["version_id"] == head["VersionId"]
        assert item["etag"] == head["ETag"].strip('"')
        assert item["size"] == len(quick.contents[name]) == head["ContentLength"]
        assert item["url"] == receipts[name]["media_url"]


def test_a_receipt_names_the_checksum_that_the_server_has_compared(field_spool: SpoolFolder) -> None:
    """The first small file goes in parts, since nothing is known of single requests yet."""
    spool = field_spool
    with spool.running() as running:
        for names in (["first.wav"], ["small.wav", "large.wav"]):
            for name in names:
                spool.put(name, 9 * MIB if name == "large.wav" else 1000)
            running.uploader.intake.rescan()
            running.await_states(dict.fromkeys(names, "released"))
    found = {one["file"]: one["objects"][0]["checksum"] for one in spool.receipts}
    assert {name: checksum["algorithm"] for name, checksum in found.items()} == {
        "first.wav": "CRC64NVME",
        "small.wav": "SHA256",
        "large.wav": "CRC64NVME",
    }
    sha256 = base64.b64encode(hashlib.sha256(spool.contents["small.wav"]).digest()).decode()
    assert found["small.wav"]["value"] == sha256


def test_a_bucket_without_versions_gives_none(quick: SpoolFolder) -> None:
    quick.put("a.wav")
    assert quick.once().returncode == 0
    assert quick.receipts[0]["objects"][0]["version_id"] is None


def test_a_receipt_keeps_all_that_the_recorder_said(quick: SpoolFolder) -> None:
    said = {
        "call_sid": "CA9",
        "started_at": "2026-01-31T12:00:00Z",
        "duration": 12.5,
        "agent": "Zoë",
        "queue": {"id": 7},
    }
    quick.put("a.wav")
    (quick.root / "a.wav.recording.json").write_text(json.dumps(said))
    quick.put("b.wav")
    (quick.root / "b.wav.recording.json").write_text(json.dumps({"big": "x" * 9000, "half": "\ud800", "kept": 1}))
    quick.put("c.wav")
    ended = quick.once()
    assert ended.returncode == 0
    receipts = {one["file"]: one for one in quick.receipts}
    assert receipts["a.wav"]["metadata"] == {
        "call_sid": "CA9",
        "started_at": "2026-01-31T12:00:00+00:00",
        "duration": 12.5,
    }
    assert receipts["a.wav"]["custom"] == {"agent": "Zoë", "queue": {"id": 7}}
    assert receipts["b.wav"]["custom"] == {"kept": 1}
    [told] = [line for line in ended.stderr.splitlines() if "not kept" in line]
    assert "b.wav.recording.json: not kept: 'big', 'half'" in told
    assert (receipts["c.wav"]["metadata"], receipts["c.wav"]["custom"]) == ({}, {})
    quick.check_all_stored()
