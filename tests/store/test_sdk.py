"""The unmodified public SDK drives the store."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from twilio.base.exceptions import TwilioRestException

from recording_storage.domain.states import Product, RecordingState
from recording_storage.store.services.accounts import create_account
from tests.store.conftest import LiveStore
from tests.store.rows import MOMENT, add_recording, add_series

PEM = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


def test_defaults_are_answered_before_the_first_post(live: LiveStore):
    settings = live.sdk().video.v1.recording_settings().fetch()
    assert settings.account_sid == live.account.sid
    assert settings.aws_storage_enabled is False
    assert settings.encryption_enabled is False
    assert settings.url == f"{live.url}/v1/RecordingSettings/Default"


def test_settings_are_set_and_read_back(live_on_each: LiveStore):
    sdk = live_on_each.sdk()
    key = sdk.accounts.v1.credentials.public_key.create(public_key=PEM, friendly_name="k1")
    created = sdk.video.v1.recording_settings().create(
        friendly_name="production", encryption_key_sid=key.sid, encryption_enabled=True, aws_storage_enabled=False
    )
    fetched = sdk.video.v1.recording_settings().fetch()
    assert created.friendly_name == fetched.friendly_name == "production"
    assert fetched.encryption_enabled is True
    assert fetched.encryption_key_sid == key.sid
    sdk.video.v1.recording_settings().create(friendly_name="renamed")
    assert sdk.video.v1.recording_settings().fetch().encryption_enabled is True, "what is omitted keeps its value"


def test_credentials_over_several_pages(live_on_each: LiveStore):
    resource = live_on_each.sdk().accounts.v1.credentials.aws
    made = [resource.create(credentials=f"AKIA{n:016}:secret-{n:08}", friendly_name=f"c{n}") for n in range(7)]
    listed = resource.list(page_size=3)
    assert [row.sid for row in listed] == [row.sid for row in reversed(made)]
    assert {row.account_sid for row in listed} == {live_on_each.account.sid}
    first = resource.page(page_size=3)
    second = first.next_page()
    assert [row.friendly_name for row in second] == ["c3", "c2", "c1"]
    assert [row.friendly_name for row in second.previous_page()] == ["c6", "c5", "c4"]
    assert [row.friendly_name for row in second.next_page()] == ["c0"]
    assert second.next_page().next_page() is None


def test_a_credential_lives(live_on_each: LiveStore):
    resource = live_on_each.sdk().accounts.v1.credentials.aws
    made = resource.create(credentials="AKIAIOSFODNN7EXAMPLE1:wJalrXUtnFEMI/K7MDENG", friendly_name="main")
    assert resource(made.sid).fetch().friendly_name == "main"
    assert made.date_created.tzinfo is not None
    assert resource(made.sid).update(friendly_name="other").friendly_name == "other"
    assert resource(made.sid).delete() is True
    with pytest.raises(TwilioRestException) as refused:
        resource(made.sid).fetch()
    assert (refused.value.status, refused.value.code) == (404, 20404)


def test_public_keys_over_several_pages(live: LiveStore):
    resource = live.sdk().accounts.v1.credentials.public_key
    made = [resource.create(public_key=PEM, friendly_name=f"k{n}").sid for n in range(5)]
    assert [row.sid for row in resource.list(page_size=2)] == made[::-1]
    assert resource(made[0]).update(friendly_name="first").friendly_name == "first"
    assert resource(made[0]).delete()
    assert len(resource.list()) == 4


def test_video_recordings_are_listed_filtered_read_and_deleted(live_on_each: LiveStore):
    store, account, video = live_on_each.store, live_on_each.account.sid, live_on_each.sdk().video.v1
    room = "RM" + "a" * 32
    series = add_series(store, account, count=5, room_sid=room, type="audio", duration=0.2)
    failed = add_recording(store, account, state=RecordingState.REJECTED, type="video", source_sid="MT" + "1" * 32)
    external = add_recording(
        store, account, media_url="https://b.s3.amazonaws.com/x", created_at=MOMENT - timedelta(days=1)
    )
    add_recording(store, account, product=Product.VOICE)
    add_recording(store, create_account(store, friendly_name="other").sid)
    assert {row.sid for row in video.recordings.list(page_size=2)} == {*series, failed, external}
    assert [row.sid for row in video.recordings.list(grouping_sid=[room], page_size=2)] == series
    assert [row.sid for row in video.recordings.list(status="failed")] == [failed]
    assert [row.sid for row in video.recordings.list(source_sid="MT" + "1" * 32)] == [failed]
    assert {row.sid for row in video.recordings.list(media_type="video")} == {failed, external}
    assert [row.sid for row in video.recordings.list(date_created_before=MOMENT)] == [external]
    assert [row.sid for row in video.recordings.list(date_created_after=MOMENT + timedelta(minutes=3))] == series[:2]
    one = video.recordings(series[0]).fetch()
    assert (one.status, one.duration, one.type) == ("completed", 1, "audio")
    assert one.date_created == MOMENT + timedelta(minutes=4)
    assert one.grouping_sids == {"room_sid": room}
    assert one.links["media"] == f"{live_on_each.url}/v1/Recordings/{one.sid}/Media"
    assert video.recordings(external).fetch().media_external_location == "https://b.s3.amazonaws.com/x"
    rooms = video.rooms(room).recordings
    assert [row.sid for row in rooms.list(page_size=2)] == series
    assert rooms(series[1]).fetch().room_sid == room
    assert rooms(series[1]).delete()
    assert video.recordings(series[0]).delete()
    assert [row.sid for row in rooms.list()] == series[2:]
    with pytest.raises(TwilioRestException) as gone:
        video.recordings(series[0]).fetch()
    assert (gone.value.status, gone.value.code) == (404, 20404)


def test_voice_recordings_are_listed_filtered_read_and_deleted(live_on_each: LiveStore):
    store, account, api = live_on_each.store, live_on_each.account.sid, live_on_each.sdk().api.v2010.account
    call, conference = "CA" + "b" * 32, "CF" + "c" * 32
    details = {"type": "rsa-aes", "public_key_sid": "CR" + "0" * 32, "encrypted_cek": "a", "iv": "b"}
    series = add_series(store, account, count=5, product=Product.VOICE, call_sid=call, duration=61.4, channels=2)
    conferred = add_recording(
        store,
        account,
        product=Product.VOICE,
        conference_sid=conference,
        created_at=MOMENT - timedelta(days=2),
        media_url="https://b.s3.amazonaws.com/calls/x.wav",
        encryption_details=details,
    )
    absent = add_recording(
        store,
        account,
        product=Product.VOICE,
        state=RecordingState.REJECTED,
        created_at=MOMENT - timedelta(days=1),
        error={"kind": "fatal", "code": "AccessDenied", "message": "no"},
    )
    assert [row.sid for row in api.recordings.list(page_size=2)] == [*series, absent, conferred]
    assert [row.sid for row in api.recordings.list(call_sid=call, page_size=4)] == series
    assert [row.sid for row in api.recordings.list(conference_sid=conference)] == [conferred]
    assert [row.sid for row in api.recordings.list(date_created_after=MOMENT + timedelta(minutes=3))] == series[:2]
    assert [row.sid for row in api.recordings.list(date_created_before=MOMENT - timedelta(days=2))] == [conferred]
    assert [row.sid for row in api.recordings.list(date_created=MOMENT)] == series[-1:]
    one = api.recordings(series[0]).fetch()
    assert (one.status, one.duration, one.channels, one.call_sid) == ("completed", "61", 2, call)
    assert one.date_created == MOMENT + timedelta(minutes=4)
    outside = api.recordings(conferred).fetch()
    assert outside.media_url == "https://b.s3.amazonaws.com/calls/x.wav"
    assert outside.encryption_details == details
    failed = api.recordings(absent).fetch()
    assert (failed.status, failed.error_code) == ("absent", 53615)
    below = api.calls(call).recordings
    assert [row.sid for row in below.list(page_size=2)] == series
    assert below(series[1]).delete()
    assert api.recordings(series[0]).delete()
    assert [row.sid for row in below.list()] == series[2:]


def test_accounts_and_keys(live: LiveStore):
    account = live.sdk().api.v2010.accounts(live.account.sid)
    assert account.fetch().friendly_name == "acme"
    new = account.new_keys.create(friendly_name="ci")
    keyed = live.sdk(new.sid, new.secret)
    assert keyed.video.v1.recording_settings().fetch().account_sid == live.account.sid
    assert [key.sid for key in keyed.api.v2010.account.keys.list()] == [new.sid]
    assert account.keys(new.sid).delete()
    with pytest.raises(TwilioRestException) as refused:
        keyed.video.v1.recording_settings().fetch()
    assert (refused.value.status, refused.value.code) == (401, 20003)


def test_only_the_own_account_is_seen(live: LiveStore):
    other = create_account(live.store, friendly_name="other")
    mine = live.sdk().accounts.v1.credentials.aws.create(credentials="AKIA1234567890123456:secretsecret")
    theirs = live.sdk(other.sid, other.auth_token, account_sid=other.sid)
    assert theirs.accounts.v1.credentials.aws.list() == []
    with pytest.raises(TwilioRestException) as hidden:
        theirs.accounts.v1.credentials.aws(mine.sid).delete()
    assert hidden.value.code == 20404
    with pytest.raises(TwilioRestException) as refused:
        theirs.api.v2010.accounts(live.account.sid).fetch()
    assert (refused.value.status, refused.value.code) == (401, 20003)


@pytest.mark.parametrize("secret", ["wrong", "", "x" * 900])
def test_a_wrong_secret_is_told_in_the_sdks_own_exception(live: LiveStore, secret: str):
    with pytest.raises(TwilioRestException) as refused:
        live.sdk(password=secret or " ").video.v1.recording_settings().fetch()
    assert (refused.value.status, refused.value.code) == (401, 20003)


def test_compositions_are_refused_honestly(live: LiveStore):
    video = live.sdk().video.v1
    with pytest.raises(TwilioRestException) as refused:
        video.compositions.create(room_sid="RM" + "1" * 32, video_layout={"grid": {"video_sources": ["*"]}})
    assert refused.value.code == 20501
    external = add_recording(live.store, live.account.sid, media_url="https://b.s3.amazonaws.com/x")
    with pytest.raises(TwilioRestException) as refused:
        video.compositions.create(room_sid="RM" + "1" * 32, audio_sources=[external])
    assert refused.value.code == 20403
    assert external in refused.value.msg
