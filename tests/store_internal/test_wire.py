"""The messages: read across versions, secrets only where they belong, refused without repeating what was sent."""

from datetime import UTC, datetime

import pytest

from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.base import MalformedError, Message, Secret
from recording_storage.protocol.plan import AccountPlan, CredentialPlan, DestinationPlan, EncryptionPlan, ProductPlan
from recording_storage.protocol.recordings import BatchRequest, ObjectChecksum, RecordingReport, StoredObject
from recording_storage.protocol.sync import Command, CommandKind, SpoolReport, SyncRequest, SyncResponse, Tally

ACCOUNT, SID, CREDENTIAL = "AC" + "1" * 32, "RE" + "1" * 32, "CR" + "2" * 32
MOMENT = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)
KEYS = CredentialPlan(
    sid=CREDENTIAL,
    access_key_id="AK",
    secret_access_key=Secret("planted"),
    session_token=Secret("planted, too"),
    expiration=MOMENT,
)
BUCKET = DestinationPlan(
    id="d",
    endpoint="https://x",
    bucket="b",
    prefix="p/",
    tags={"a": "b"},
    credential=KEYS,
    encryption=EncryptionPlan(public_key_sid=CREDENTIAL, public_key="PEM"),
)
PLAN = AccountPlan(
    account_sid=ACCOUNT,
    revision=3,
    products={Product.VOICE: ProductPlan(destination_id="d"), Product.VIDEO: ProductPlan()},
    destinations={"d": BUCKET},
)
MESSAGES: list[tuple[Message, str]] = [
    (
        SyncRequest(
            report=SpoolReport(
                uploader_version="1",
                started_at=MOMENT,
                states={RecordingState.FOUND: Tally(count=1, size=2)},
                without_settings={ACCOUNT: {Product.VOICE: 1}},
            ),
            accounts=[ACCOUNT],
            wait_seconds=20.0,
        ),
        (
            '{"report":{"uploader_version":"1","started_at":"2026-01-31T12:00:00.000005Z","states":{"found":{"count":1,'
            '"size":2}},"without_settings":{"AC11111111111111111111111111111111":{"voice":1}}},"accounts":'
            '["AC11111111111111111111111111111111"],"wait_seconds":20.0}'
        ),
    ),
    (
        SyncResponse(
            etag="e",
            server_time=MOMENT,
            plans={ACCOUNT: PLAN},
            commands=[Command(id="i", kind=CommandKind.RETRY_ONE, account_sid=ACCOUNT, recording_sid=SID)],
        ),
        (
            '{"etag":"e","server_time":"2026-01-31T12:00:00.000005Z","plans":{"AC11111111111111111111111111111111":'
            '{"account_sid":"AC11111111111111111111111111111111","revision":3,"products":{"voice":{"destination_id":"d"},'
            '"video":{}},"destinations":{"d":{"id":"d","endpoint":"https://x","bucket":"b","prefix":"p/","tags":{"a":"b"},'
            '"encryption":{"public_key_sid":"CR22222222222222222222222222222222","public_key":"PEM"},"credential":{"sid":'
            '"CR22222222222222222222222222222222","access_key_id":"AK","secret_access_key":"planted","session_token":'
            '"planted, too","expiration":"2026-01-31T12:00:00.000005Z"}}}}},"commands":[{"id":"i","kind":"retry_one",'
            '"account_sid":"AC11111111111111111111111111111111","recording_sid":"RE11111111111111111111111111111111"}]}'
        ),
    ),
    (
        BatchRequest(
            spool_id="s",
            recordings=[
                RecordingReport(
                    account_sid=ACCOUNT,
                    sid=SID,
                    seq=1,
                    product=Product.VOICE,
                    state=RecordingState.STORED,
                    file="a",
                    size=1,
                    found_at=MOMENT,
                    custom={"a": [1, None]},
                    objects=[
                        StoredObject(
                            destination="d", key="k", url="u", checksum=ObjectChecksum(algorithm="MD5", value="v")
                        )
                    ],
                )
            ],
        ),
        (
            '{"spool_id":"s","recordings":[{"account_sid":"AC11111111111111111111111111111111","sid":'
            '"RE11111111111111111111111111111111","seq":1,"product":"voice","state":"stored","file":"a","size":1,'
            '"found_at":"2026-01-31T12:00:00.000005Z","custom":{"a":[1,null]},"objects":[{"destination":"d","key":"k",'
            '"checksum":{"algorithm":"MD5","value":"v"},"url":"u"}]}]}'
        ),
    ),
]
"""Each as the version before sent it."""


@pytest.mark.parametrize(("message", "earlier"), MESSAGES, ids=lambda value: type(value).__name__)
def test_a_message_of_an_earlier_version_is_read(message: Message, earlier: str) -> None:
    assert type(message).from_json(earlier) == message
    assert type(message).from_json(message.to_json(reveal=True)) == message


def test_secrets_are_stars_unless_they_are_asked_for() -> None:
    message = SyncResponse(etag="e", server_time=MOMENT, plans={ACCOUNT: PLAN})
    assert message.to_json(reveal=True).count(b"planted") == 2
    for shown in (message.to_json().decode(), repr(message), str(message.to_values()), f"{KEYS.secret_access_key}"):
        assert "planted" not in shown


def test_a_value_that_no_message_holds_is_not_sent_as_stars() -> None:
    class Text(str):
        __slots__ = ()

    for send in (lambda one: one.to_json(), lambda one: one.to_json(reveal=True), lambda one: one.to_values()):
        with pytest.raises(TypeError, match="Text"):
            send(BUCKET.replace(region=Text("eu-west-1")))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"spool_id"', "no JSON"),
        (b"\xff", "no JSON"),
        (b"", "no JSON"),
        (b"[]", "Expected `object`"),
        (b'{"spool_id":"s"}', "missing required field `recordings`"),
        (b'{"spool_id":"s","recordings":[{"state":"planted - at `$.planted`"}]}', "recordings[0].state: Invalid"),
        (b'{"spool_id":"s","recordings":[{"custom":{"a":' + b"[" * 10_000 + b"]" * 10_000, "nested too deep"),
        (
            b'{"spool_id":"s","recordings":[{"account_sid":"' + ACCOUNT.encode() + b'\\n"}]}',
            "recordings[0].account_sid",
        ),
        (b'{"spool_id":"s","recordings":[{"seq":0}]}', "recordings[0].seq: Expected `int` >= 1"),
    ],
)
def test_what_is_wrong_is_said_without_repeating_it(body: bytes, words: str) -> None:
    with pytest.raises(MalformedError) as caught:
        BatchRequest.from_json(body)
    assert words in str(caught.value)
    assert "planted" not in str(caught.value)
