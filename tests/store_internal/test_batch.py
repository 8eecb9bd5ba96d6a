"""A recording is entered once, follows its newest report, and nobody else's report touches it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recording_storage.domain.sids import SidPrefix, new_sid
from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.recordings import (
    BatchResponse,
    BatchResult,
    EncryptionDetails,
    ObjectChecksum,
    RecordingError,
    RecordingReport,
    StoredObject,
)
from recording_storage.store.context import Store
from recording_storage.store.database.models import Destination, Recording
from recording_storage.store.internal.batch import read_batch, take_batch
from recording_storage.store.internal.identity import Caller
from recording_storage.store.services.accounts import NewAccount, create_account
from recording_storage.store.services.recordings import delete_recording
from tests.store_internal.messages import MOMENT, batch, enable, new_credential, new_spool, recording
from tests.store_internal.servers import Live

SPOOL = new_spool()


def send(store: Store, *reports: RecordingReport, spool_id: str = SPOOL) -> list[BatchResult]:
    """As the account's own uploader."""
    caller = Caller(account_sid=reports[0].account_sid)
    return take_batch(store, caller, read_batch(batch(spool_id, *reports))).results


def row_of(store: Store, report: RecordingReport) -> Recording | None:
    with store.database.read() as session:
        return session.get(Recording, (report.account_sid, report.sid))


def stored(account_sid: str, **values: Any) -> RecordingReport:
    place = {"destination_id": "d" * 32, "media_url": "https://b.s3.amazonaws.com/calls/x.wav", "state": "stored"}
    return recording(account_sid, **(place | values))


def test_a_report_is_entered_with_all_that_it_says(store: Store, account: NewAccount) -> None:
    report = stored(
        account.sid,
        call_sid="CA1",
        duration=2.5,
        channels=2,
        started_at=MOMENT,
        stored_size=1016,
        stored_at=MOMENT,
        sha256="ab" * 32,
        objects=[
            StoredObject(
                destination="d" * 32,
                key="calls/x.wav",
                version_id="v1",
                checksum=ObjectChecksum(algorithm="SHA256", value="q6w="),
                url="https://b.s3.amazonaws.com/calls/x.wav",
                etag="e",
                size=1016,
            )
        ],
        encryption_details=EncryptionDetails(public_key_sid="CR1", encrypted_cek="Yw==", iv="aXY="),
        error=RecordingError(kind="transient", code="SlowDown", message="m"),
        status_callback="https://example.com/cb",
        custom={"agent": "Zoë", "queue": {"id": 7}},
    )
    assert [(r.status, r.seq) for r in send(store, report)] == [(200, 1)]
    row = row_of(store, report)
    assert row is not None
    for name in ("state", "call_sid", "duration", "channels", "started_at", "stored_size", "media_url", "size", "file"):
        assert getattr(row, name) == getattr(report, name)
    assert row.encryption_details == {"type": "rsa-aes", "public_key_sid": "CR1", "encrypted_cek": "Yw==", "iv": "aXY="}
    assert row.error == {"kind": "transient", "code": "SlowDown", "message": "m"}
    assert row.custom == {"agent": "Zoë", "queue": {"id": 7}}
    assert row.objects == [
        {
            "destination": "d" * 32,
            "key": "calls/x.wav",
            "version_id": "v1",
            "checksum": {"algorithm": "SHA256", "value": "q6w="},
            "url": "https://b.s3.amazonaws.com/calls/x.wav",
            "etag": "e",
            "size": 1016,
        }
    ]
    assert (row.spool_id, row.seq, row.deleted_at) == (SPOOL, 1, None)


def test_a_report_from_before_objects_is_read(store: Store, account: NewAccount) -> None:
    """As the first version sent it."""
    sid = new_sid(SidPrefix.VOICE_RECORDING)
    body = (
        f'{{"spool_id": "{SPOOL}", "recordings": [{{"account_sid": "{account.sid}", "sid": "{sid}", "seq": 4,'
        ' "product": "voice", "state": "stored", "file": "a.wav", "size": 1016, "content_type": "audio/wav",'
        ' "found_at": "2026-01-31T12:00:00Z", "attempts": 1, "destination_id": "dddddddddddddddddddddddddddddddd",'
        ' "object_key": "calls/x.wav", "media_url": "https://b.s3.amazonaws.com/calls/x.wav", "etag": "e",'
        ' "sha256": "ab", "stored_size": 1016, "stored_at": "2026-01-31T12:00:05Z"}]}'
    )
    [result] = take_batch(store, Caller(account_sid=account.sid), read_batch(body.encode())).results
    assert (result.status, result.seq) == (200, 4)
    with store.database.read() as session:
        row = session.get(Recording, (account.sid, sid))
    assert row is not None
    assert row.objects == [
        {
            "destination": "d" * 32,
            "key": "calls/x.wav",
            "version_id": None,
            "checksum": None,
            "url": "https://b.s3.amazonaws.com/calls/x.wav",
            "etag": "e",
            "size": 1016,
        }
    ]


@pytest.mark.parametrize(
    ("said", "content_type", "entered"),
    [
        ("", "audio/x-wav", "audio"),
        ("", "Video/webm", "video"),
        ("", "application/octet-stream", "data"),
        ("audio", "video/webm", "audio"),
    ],
)
def test_what_is_not_said_to_be_sound_or_picture_is_seen_from_its_content(
    store: Store, account: NewAccount, said: str, content_type: str, entered: str
) -> None:
    report = recording(account.sid, type=said, content_type=content_type)
    send(store, report)
    row = row_of(store, report)
    assert row is not None
    assert row.type == entered


def test_an_older_report_changes_nothing_and_hears_the_newest_seq(store: Store, account: NewAccount) -> None:
    newest = stored(account.sid, seq=5)
    older = newest.replace(seq=3, state=RecordingState.UPLOADING, media_url="")
    send(store, newest)
    assert [(r.status, r.seq) for r in send(store, older, newest)] == [(200, 5), (200, 5)]
    row = row_of(store, newest)
    assert row is not None
    assert (row.state, row.seq) == ("stored", 5)


MOVES = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=6), min_size=1, max_size=6)


@given(calls=MOVES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_repetition_ends_in_the_newest(sqlite_store: Store, calls: list[list[int]]) -> None:
    account_sid = create_account(sqlite_store, friendly_name="a").sid
    base = recording(account_sid)
    newest = 0
    for call in calls:
        newest = max(newest, *call)
        reports = [base.replace(seq=seq, attempts=seq, track_name=f"t{seq}") for seq in call]
        assert [(r.status, r.seq) for r in send(sqlite_store, *reports)] == [(200, newest)] * len(call)
        row = row_of(sqlite_store, base)
        assert row is not None
        assert (row.seq, row.attempts, row.track_name) == (newest, newest, f"t{newest}")


def test_calls_at_once_end_in_the_newest(store: Store, account: NewAccount) -> None:
    base = [recording(account.sid) for _ in range(20)]

    def call(seq: int) -> Sequence[BatchResult]:
        reports = [report.replace(seq=seq, attempts=seq) for report in base]
        return send(store, *(reports if seq % 2 else reversed(reports)))

    with ThreadPoolExecutor(8) as pool:
        for results in pool.map(call, range(1, 25)):
            assert {r.status for r in results} == {200}
    with store.database.read() as session:
        assert session.execute(sa.select(Recording.seq, Recording.attempts).distinct()).all() == [(24, 24)]


def test_another_spools_sid_is_a_conflict(store: Store, account: NewAccount) -> None:
    mine, other = recording(account.sid), recording(account.sid)
    send(store, mine)
    theirs = mine.replace(seq=9, file="stolen.wav")
    results = send(store, theirs, other, spool_id=new_spool())
    assert [r.status for r in results] == [409, 200]
    row = row_of(store, mine)
    assert row is not None
    assert (row.file, row.seq, row.spool_id) == (mine.file, 1, SPOOL)


def test_an_account_that_is_not_the_callers_is_refused_alone(store: Store, account: NewAccount) -> None:
    stranger = create_account(store, friendly_name="other")
    mine, theirs = recording(account.sid), recording(stranger.sid)
    assert [r.status for r in send(store, mine, theirs)] == [200, 403]
    assert row_of(store, theirs) is None


def test_a_deleted_recording_does_not_come_back(store: Store, account: NewAccount) -> None:
    report = recording(account.sid)
    send(store, report)
    delete_recording(store, account_sid=account.sid, product=Product.VOICE, sid=report.sid)
    late = stored(account.sid, sid=report.sid, seq=7)
    assert [(r.status, r.seq) for r in send(store, late)] == [(200, 7)]
    row = row_of(store, report)
    assert row is not None
    assert row.deleted_at is not None
    assert (row.state, row.media_url) == ("found", "")


def test_a_stored_recording_proves_its_destination(store: Store, account: NewAccount) -> None:
    sid = new_credential(store, account.sid)
    used, unused = (enable(store, account.sid, credential_sid=sid, bucket=bucket) for bucket in "ab")
    send(store, stored(account.sid, destination_id=used), recording(account.sid, destination_id=unused))
    with store.database.read() as session:
        proven = dict(session.execute(sa.select(Destination.id, Destination.proven_at)).all())
    assert proven[used] is not None
    assert proven[unused] is None


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"media_url": ""}, "media_url"),
        ({"destination_id": None, "media_url": "/v1/x"}, "own storage"),
        ({"track_name": "x" * 256}, "track_name"),
        ({"file": "a\x00b"}, "file"),
        ({"size": 2**63}, "size"),
        ({"duration": float("inf")}, "duration"),
        ({"found_at": MOMENT.replace(tzinfo=None)}, "found_at"),
        ({"sid": new_sid(SidPrefix.VIDEO_RECORDING)}, "sid"),
        ({"error": RecordingError(kind="k", code="c", message="\x00")}, "error"),
        ({"objects": [StoredObject(destination="d", key="a\x00b", url="u")]}, "objects"),
        ({"custom": {"a": {"b": "\x00"}}}, "custom"),
        ({"custom": {"a": float("nan")}}, "custom"),
        ({"custom": {"a": "x" * 9000}}, "custom"),
    ],
)
def test_what_can_not_be_taken_is_refused_alone(
    store: Store, account: NewAccount, values: dict[str, Any], word: str
) -> None:
    wrong, right = stored(account.sid, **values), recording(account.sid)
    caller = Caller(account_sid=account.sid)
    from recording_storage.store.internal.batch import Batch  # noqa: PLC0415 - JSON can't carry every one of these

    results = take_batch(store, caller, Batch(SPOOL, [wrong, right])).results
    assert [r.status for r in results] == [422, 200]
    assert word in results[0].message
    assert row_of(store, wrong) is None


def test_an_item_that_is_not_well_formed_is_refused_alone(live_sqlite: Live) -> None:
    account = create_account(live_sqlite.store, friendly_name="a")
    right = recording(account.sid)
    wrong = recording(account.sid).to_values() | {"seq": 0, "state": "planted-value"}
    request = {"spool_id": SPOOL, "recordings": [wrong, right.to_values()]}
    with live_sqlite.client() as http:
        answer = http.post("/recordings:batch", json=request)
        assert answer.status_code == 200
        results = BatchResponse.from_json(answer.content).results
        assert [(r.sid, r.status) for r in results] == [(wrong["sid"], 422), (right.sid, 200)]
        assert "planted-value" not in answer.text
        for hopeless in (
            {"spool_id": SPOOL, "recordings": [{"sid": "planted-value"}]},
            {"spool_id": "planted-value", "recordings": []},
            {"spool_id": SPOOL, "recordings": [wrong] * 1001},
            ["planted-value"],
        ):
            refused = http.post("/recordings:batch", json=hopeless)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
            assert "planted-value" not in refused.text
        other_path = http.post(f"/uploaders/{new_spool()}/recordings:batch", json=request)
        assert other_path.status_code == 422


def test_a_thousand_take_a_handful_of_statements(store: Store, account: NewAccount) -> None:
    reports = [stored(account.sid) for _ in range(1000)]
    statements: list[str] = []
    sa.event.listen(store.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    results = send(store, *reports)
    again = send(store, *reports)
    assert {r.status for r in results + again} == {200}
    assert len(statements) < 20
