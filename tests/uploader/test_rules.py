"""Windows, plans and pins: what holds for a recording however long it takes."""

import json
from pathlib import Path

from recording_storage.domain.states import RecordingState
from recording_storage.protocol.plan import AccountPlan, DestinationPlan, EncryptionPlan
from recording_storage.uploader.core.plans import LOCAL_ACCOUNT
from recording_storage.uploader.core.recording import Reason
from tests.s3.gate import Gate
from tests.uploader.spools import FakeClock, Running, SpoolFolder

HOUR = 3600.0


def local_plan(running: Running) -> AccountPlan:
    plan = running.uploader.plans.plan(LOCAL_ACCOUNT)
    assert plan is not None
    return plan


def terms_of(plan: AccountPlan) -> DestinationPlan:
    return next(iter(plan.destinations.values()))


def test_two_hours_of_running_time_pass_before_it_is_parked(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    gated.put("a.wav")
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        one = running.await_states({"a.wav": "waiting"})["a.wav"]
        while one.state == "waiting":
            assert one.retry_at is not None
            assert one.retry_at - one.changed_at <= 300
            clock.advance(max(one.retry_at - clock.now(), 0.0) + 0.001)
            one = running.await_attempt("a.wav", after=one.attempts)
        parked = one
        assert parked.state == "parked"
        assert 2 * HOUR <= clock.monotonic() - 1000 < 2 * HOUR + 10
        assert parked.attempts > 15
        assert parked.error is not None
        assert "the retry window has passed" in parked.error.message
        door.open()
        clock.advance(100 * HOUR)
        assert running.recordings()["a.wav"].state == "parked"  # without limit of time, until somebody asks
        running.uploader.view.retry(None)
        running.await_states({"a.wav": "released"})
    gated.check_all_stored()


def test_the_window_counts_running_time_alone(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    gated.put("a.wav")
    with gated.running(clock=FakeClock()) as running:
        running.await_states({"a.wav": "waiting"})
    later = FakeClock()
    later.advance(0.0)
    later._start += 50 * HOUR  # nobody ran
    with gated.running(clock=later) as running:
        later.advance(1)
        assert running.await_states({"a.wav": "waiting"})["a.wav"].failing_since is not None
        door.open()
        later.advance(300)
        running.await_states({"a.wav": "released"})


def test_held_time_counts_in_the_window(gated: SpoolFolder, door: Gate) -> None:
    door.answer(r"^", 404, code="NoSuchBucket", times=10**6)
    gated.put("a.wav")
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        running.await_states({"a.wav": "held"})
        clock.advance(HOUR)
        running.await_states({"a.wav": "held"})
        clock.advance(1.1 * HOUR)
        running.await_states({"a.wav": "parked"})


def test_nothing_is_uploaded_in_clear_where_encryption_is_wanted(quick: SpoolFolder) -> None:
    with quick.running() as running:
        plan = local_plan(running)
        wanted = terms_of(plan).replace(encryption=EncryptionPlan(public_key_sid="CR1", public_key="PEM"))
        running.uploader.plans.replace({}, everybody=plan.replace(destinations={wanted.id: wanted}))
        running.uploader.scheduler.plans_changed()
        quick.put("a.wav")
        running.uploader.intake.rescan()
        held = running.await_states({"a.wav": "held"})["a.wav"]
        assert held.error is not None
        assert held.error.code == Reason.ENCRYPTION_UNAVAILABLE
        assert quick.bucket.keys() == []
        assert quick.bucket.uploads() == []
        running.uploader.plans.replace({}, everybody=plan)
        running.uploader.scheduler.plans_changed()
        running.await_states({"a.wav": "released"})


def test_what_has_no_plan_waits_and_is_pinned_when_one_comes(quick: SpoolFolder) -> None:
    with quick.running() as running:
        plan = local_plan(running)
        running.uploader.plans.replace({}, everybody=None)
        quick.put("a.wav")
        running.uploader.intake.rescan()
        waiting = running.await_states({"a.wav": "waiting"})["a.wav"]
        assert waiting.error is not None
        assert (waiting.error.code, waiting.pinned) == (Reason.NO_PLAN, False)
        running.uploader.plans.replace({LOCAL_ACCOUNT: plan})
        running.uploader.scheduler.plans_changed()
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()


def test_a_recording_keeps_the_destination_that_it_was_found_under(gated: SpoolFolder, door: Gate) -> None:
    """It had worked there, so it goes there, with the present key pair."""
    gated.put("first.wav")
    with gated.running() as running:
        running.await_states({"first.wav": "released"})
        door.refuse()
        gated.put("second.wav")
        running.uploader.intake.rescan()
        running.await_states({"second.wav": "waiting"})
    gated.write_config(url=f"{door.endpoint}/{gated.bucket.name}/calls/elsewhere")
    door.open()
    with gated.running() as running:
        gated.put("third.wav")
        running.uploader.intake.rescan()
        found = running.await_states({"second.wav": "released", "third.wav": "released"})
        assert found["second.wav"].destination_id != found["third.wav"].destination_id
    keys = {one["file"]: one["media_url"] for one in gated.receipts}
    assert "elsewhere" not in keys["second.wav"]
    assert "elsewhere" in keys["third.wav"]


def test_a_corrected_configuration_counts_for_what_never_worked(quick: SpoolFolder) -> None:
    quick.write_config(
        url=f"{quick.bucket.server.endpoint}/{quick.bucket.name}-misspelt/calls",
        access_key=quick.bucket.server.root.access_key,
        secret_key=quick.bucket.server.root.secret_key,
    )
    quick.put("a.wav")
    with quick.running() as running:
        running.await_states({"a.wav": "held"})
    quick.write_config()
    with quick.running() as running:
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()


def test_the_options_of_the_policy_reach_the_server(gated: SpoolFolder, door: Gate, tmp_path: Path) -> None:
    gated.write_config(policy=json.dumps({"tags": {"team": "a"}, "keyTemplate": "{year}/{recording_sid}{ext}"}))
    gated.put("a.wav")
    with gated.running() as running:
        found = running.await_states({"a.wav": RecordingState.RELEASED})
    key = found["a.wav"].object_key
    bucket = gated.bucket
    assert bucket.keys() == [key]
    tags = bucket.admin.get_object_tagging(Bucket=bucket.name, Key=key)["TagSet"]
    assert tags == [{"Key": "team", "Value": "a"}]
    head = bucket.admin.head_object(Bucket=bucket.name, Key=key)
    assert head["Metadata"] == {"recording-sid": found["a.wav"].sid}
    assert head["ContentType"] == "audio/wav"


def test_the_first_run_with_a_corrected_address_stores_what_waited(quick: SpoolFolder) -> None:
    quick.write_config(
        url="http://127.0.0.1:1/bucket/calls",
        access_key=quick.bucket.server.root.access_key,
        secret_key=quick.bucket.server.root.secret_key,
    )
    for number in range(3):
        quick.put(f"{number}.wav")
    assert quick.once().returncode == 3
    quick.write_config()
    mended = quick.once()
    assert mended.returncode == 0, mended.stderr
    assert "ERROR" not in mended.stderr
    quick.check_all_stored()
