"""Every class of failure does what it says, and one recording's trouble never stops another."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from recording_storage.protocol.base import Secret
from recording_storage.protocol.plan import CredentialPlan
from recording_storage.s3.probe import PROBE_NAME
from recording_storage.uploader.scheduler import health
from tests.s3.fixtures import create_bucket
from tests.s3.gate import Gate
from tests.uploader.spools import MIB, SpoolFolder
from tests.waiting import SOON

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _quick_probes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(health, "FIRST_PROBE", 0.2)
    monkeypatch.setattr("recording_storage.domain.upload_decision.full_jitter", lambda *_a, **_k: 0.05)
    return iter([None])


def test_a_server_error_passes_by_itself(gated: SpoolFolder, door: Gate) -> None:
    rule = door.answer(r"^PUT .*/RE", 503, code="ServiceUnavailable", times=3)  # no question of the destination's own
    gated.put("a.wav")
    gated.put("b.wav")
    with gated.running() as running:
        assert rule.done.wait(SOON)
        found = running.await_states({"a.wav": "released", "b.wav": "released"})
    assert sum(one.attempts for one in found.values()) == 5
    gated.check_all_stored()


def test_an_outage_is_survived(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    gated.put("a.wav")
    with gated.running() as running:
        waiting = running.await_states({"a.wav": "waiting"})["a.wav"]
        assert waiting.error is not None
        assert waiting.error.kind == "transient"
        assert waiting.retry_at is not None
        status = running.uploader.view.status()
        assert status.last_error
        assert status.last_error_at is not None
        assert [(each.state, each.count) for each in running.uploader.view.reasons()] == [("waiting", 1)]
        door.open()
        running.await_states({"a.wav": "released"})
        after = running.uploader.view.status()
        assert (after.last_error, after.last_error_at) == ("", None)
        assert running.uploader.view.reasons() == []
    gated.check_all_stored()


@pytest.mark.parametrize("size", [1000, 20 * MIB])
@pytest.mark.parametrize("pattern", [r"^PUT .*\.wav", r"^POST .*uploadId", r"^POST .*uploads"])
def test_an_acknowledgement_that_is_lost_leads_to_one_object(
    gated: SpoolFolder, door: Gate, pattern: str, size: int
) -> None:
    door.lose_answer(pattern)
    gated.put("a.wav", size)
    with gated.running() as running:
        running.await_states({"a.wav": "released"})
    gated.check_all_stored()


def test_an_uncertain_completion_whose_upload_is_gone_is_ours(gated: SpoolFolder, door: Gate) -> None:
    door.lose_answer(r"^POST .*uploadId")
    door.answer(r"^POST .*uploadId", 404, code="NoSuchUpload", skip=1, times=2)
    gated.put("a.mkv", 12 * MIB)
    with gated.running() as running:
        running.await_states({"a.mkv": "released"})
    gated.check_all_stored()


def test_a_multipart_upload_that_was_lost_is_built_anew(gated: SpoolFolder, door: Gate) -> None:
    door.answer(r"^PUT .*partNumber=2", 404, code="NoSuchUpload")
    gated.put("a.mkv", 20 * MIB)
    with gated.running() as running:
        running.await_states({"a.mkv": "released"})
    assert len(gated.bucket.keys()) == 1


def test_a_failed_part_does_not_start_the_file_again(gated: SpoolFolder, door: Gate) -> None:
    door.answer(r"^PUT .*partNumber=3", 500, code="InternalError", times=1)
    gated.put("a.mkv", 40 * MIB)
    with gated.running() as running:
        running.await_states({"a.mkv": "released"})
    sent = [line for line in door.requests if line.startswith("PUT") and PROBE_NAME not in line]
    assert len(sent) <= 5 + 3, sent
    begun = [line for line in door.requests if line.startswith("POST") and "uploads" in line]
    assert sum(PROBE_NAME not in line for line in begun) == 1
    gated.check_all_stored()


def test_a_throttling_server_gets_less_at_a_time_and_everything_in_the_end(gated: SpoolFolder, door: Gate) -> None:
    door.answer(r"^PUT .*/RE", 503, code="SlowDown", times=6)
    for number in range(12):
        gated.put(f"{number}.wav")
    with gated.running() as running:
        running.await_states({f"{number}.wav": "released" for number in range(12)})
        assert running.uploader.parts.counters.values()["failures_throttled"] == 6
        assert running.uploader.view.status().destinations[0].concurrency < 8
    gated.check_all_stored()


def test_a_missing_bucket_holds_the_destination_and_its_return_releases_it(quick: SpoolFolder) -> None:
    name = f"{quick.bucket.name}-later"
    quick.write_config(
        url=f"{quick.bucket.server.endpoint}/{name}/calls",
        access_key=quick.bucket.server.root.access_key,
        secret_key=quick.bucket.server.root.secret_key,
    )
    quick.put("a.wav")
    quick.put("b.wav")
    with quick.running() as running:
        held = running.await_states({"a.wav": "held", "b.wav": "held"})
        assert held["a.wav"].error is not None
        assert held["a.wav"].error.code == "NoSuchBucket"
        quick.put("c.wav")
        running.uploader.intake.rescan()
        running.await_states({"c.wav": "held"})
        quick.bucket.server.create_bucket(name)
        running.await_states(dict.fromkeys(["a.wav", "b.wav", "c.wav"], "released"))


def test_a_refused_key_is_looked_up_afresh_and_then_holds(quick: SpoolFolder) -> None:
    who = quick.bucket.credentials
    quick.write_config(access_key="AKIAUNKNOWN000000000")
    quick.put("a.wav")
    with quick.running() as running:
        held = running.await_states({"a.wav": "held"})
        assert held["a.wav"].error is not None
        assert held["a.wav"].error.kind == "credential"
        quick.write_config(access_key=who.access_key)
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()


def test_a_rotated_key_is_found_by_the_fresh_look_up_without_a_hold(quick: SpoolFolder) -> None:
    quick.write_config(access_key="AKIAUNKNOWN000000000")
    with quick.running() as running:
        quick.write_config()
        quick.put("a.wav")
        running.uploader.intake.rescan()
        running.await_states({"a.wav": "released"})
        assert running.uploader.parts.counters.values()["failures_credential"] == 1
    quick.check_all_stored()


def test_another_object_of_the_key_is_never_overwritten(quick: SpoolFolder) -> None:
    sid = "RE" + "1" * 32
    quick.bucket.admin.put_object(Bucket=quick.bucket.name, Key=f"calls/{sid}.wav", Body=b"somebody else's")
    quick.put("a.wav")
    quick.put("b.wav")
    (quick.root / "a.wav.recording.json").write_text(json.dumps({"recording_sid": sid}))
    with quick.running() as running:
        found = running.await_states({"a.wav": "parked", "b.wav": "released"})
    assert found["a.wav"].error is not None
    assert found["a.wav"].error.code == "KeyTaken"
    assert quick.bucket.read(f"calls/{sid}.wav") == b"somebody else's"


def test_the_window_passes_and_a_retry_brings_it_back(gated: SpoolFolder, door: Gate) -> None:
    gated.write_config(policy=json.dumps({"retryWindow": "0s"}))
    door.refuse()
    gated.put("a.wav")
    with gated.running() as running:
        running.await_states({"a.wav": "parked"})
    door.open()
    with gated.running() as running:
        assert running.recordings()["a.wav"].state == "parked"  # across restarts
        running.uploader.view.retry(None)
        running.await_states({"a.wav": "released"})
    gated.check_all_stored()


def test_a_hanging_destination_does_not_stop_another(gated: SpoolFolder, door: Gate) -> None:
    other = create_bucket(gated.bucket.server)
    account = "AC" + "2" * 32
    with gated.running() as running:
        assert running.uploader.scheduler.idle.wait(
            SOON
        )  # the configuration's plan, which is for everybody, is in force
        book = running.uploader.plans
        plan = book.plan("AC" + "0" * 32)
        assert plan is not None
        terms = next(iter(plan.destinations.values()))
        fine = terms.replace(
            id="f" * 32,
            endpoint=gated.bucket.server.endpoint,
            bucket=other.name,
            credential=CredentialPlan(
                sid="CR" + "2" * 32,
                access_key_id=other.credentials.access_key,
                secret_access_key=Secret(other.credentials.secret_key),
            ),
        )
        products = {product: replace(one, destination_id=fine.id) for product, one in plan.products.items()}
        book.replace(
            {account: plan.replace(account_sid=account, products=products, destinations={fine.id: fine})},
            everybody=plan,
        )
        door.stall()
        for number in range(12):
            gated.put(f"stalled-{number}.wav")
        gated.put("fine.wav")
        (gated.root / "fine.wav.recording.json").write_text(json.dumps({"account_sid": account}))
        running.uploader.intake.rescan()
        running.await_states({"fine.wav": "released"})
        door.open()
        running.await_states({f"stalled-{number}.wav": "released" for number in range(12)})
