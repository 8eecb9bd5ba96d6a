"""External storage is enabled only for a bucket that was tried, under the least rights, without leaving a trace."""

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from recording_storage.store.config import load_config
from recording_storage.store.context import open_store
from recording_storage.store.database.models import Account, Destination, PublicKey, Settings
from recording_storage.store.services.accounts import create_account
from recording_storage.store.services.destinations import replace_credential
from tests.s3.fixtures import Bucket, create_bucket
from tests.s3.gate import Gate
from tests.s3.servers import S3Server, least_rights
from tests.store.conftest import LiveStore, serving

pytestmark = pytest.mark.slow

SETTINGS = "/v1/RecordingSettings/Default"


@pytest.fixture
def allowed_endpoints(moto_server: S3Server, moto_tls_server: S3Server, gate: Gate) -> tuple[str, ...]:
    return (
        moto_tls_server.endpoint,
        moto_server.endpoint,
        gate.endpoint,
        "http://127.0.0.1:1",
        "http://does-not-exist.invalid:9000",
    )


@pytest.fixture
def s3_server(moto_server: S3Server) -> S3Server:
    """These look at codes; which requests are made is tried on stricter servers elsewhere."""
    return moto_server


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    return create_bucket(s3_server)


@pytest.fixture
def http(live: LiveStore):
    with live.http() as client:
        yield client


def create(http: httpx.Client, access_key: str, secret_key: str) -> str:
    answer = http.post("/v1/Credentials/AWS", data={"Credentials": f"{access_key}:{secret_key}", "FriendlyName": "c"})
    assert answer.status_code == 201, answer.text
    sid: str = answer.json()["sid"]
    return sid


def credential(http: httpx.Client, bucket: Bucket) -> str:
    return create(http, bucket.credentials.access_key, bucket.credentials.secret_key)


def form(url: str, credential_sid: str, **more: str) -> dict[str, str]:
    return {
        "FriendlyName": "production",
        "AwsS3Url": url,
        "AwsCredentialsSid": credential_sid,
        "AwsStorageEnabled": "true",
    } | more


def traces(bucket: Bucket) -> tuple[list[str], list[dict[str, Any]]]:
    return bucket.keys(), bucket.uploads()


def test_a_usable_bucket_is_enabled_and_left_as_it_was(live: LiveStore, http: httpx.Client, bucket: Bucket):
    sid = credential(http, bucket)
    answer = http.post(SETTINGS, data=form(bucket.url, sid, RetryWindow="1h", Tags='{"team": "a"}'))
    assert answer.status_code == 201, answer.text
    assert answer.json() == http.get(SETTINGS).json()
    assert answer.json()["aws_storage_enabled"] is True
    assert answer.json()["tags"] == {"team": "a"}
    assert traces(bucket) == ([], [])
    with live.store.database.read() as session:
        row = session.get(Settings, (live.account.sid, "video"))
        assert row is not None
        assert row.revision == 1
        assert row.verified_at is not None
        destination = session.get(Destination, (live.account.sid, row.destination_id))
        assert destination is not None
        assert destination.credential_sid == sid
        assert destination.proven_at is not None
        assert destination.values["bucket"] == bucket.name
        assert destination.values["prefix"] == "calls/"
        assert destination.values["allow_private"] is True


def _unchanged(live: LiveStore, http: httpx.Client) -> None:
    assert http.get(SETTINGS).json()["aws_storage_enabled"] is False
    with live.store.database.read() as session:
        assert session.get(Settings, (live.account.sid, "video")) is None
        assert session.get(Account, live.account.sid).revision == 0


def _refused(answer: httpx.Response, code: int, status: int = 400) -> str:
    body = answer.json()
    assert (answer.status_code, body["code"], body["status"]) == (status, code, status), answer.text
    assert set(body) == {"code", "message", "more_info", "status"}
    message: str = body["message"]
    return message


@pytest.mark.parametrize(
    "url",
    [
        "https://not a url",
        "ftp://bucket/x",
        "https://s3.eu-west-1.amazonaws.com/",
        "https://Bad_Bucket.s3.amazonaws.com/x",
        "https://minio.example:9000/bucket/calls",
        "http://bucket.s3.amazonaws.com/calls",
        "https://169.254.169.254/latest/meta-data",
        "",
    ],
)
def test_53610_a_url_that_names_no_bucket(live: LiveStore, http: httpx.Client, bucket: Bucket, url: str):
    _refused(http.post(SETTINGS, data=form(url, credential(http, bucket))), 53610)
    _unchanged(live, http)


def test_53610_no_such_bucket(live: LiveStore, http: httpx.Client, bucket: Bucket):
    url = f"{bucket.server.endpoint}/no-such-bucket-here/calls"
    # Without the right to any bucket but its own, a strict server may say AccessDenied; the administrator may look.
    root = bucket.server.root
    _refused(http.post(SETTINGS, data=form(url, create(http, root.access_key, root.secret_key))), 53610)
    _unchanged(live, http)


def test_53610_a_host_that_does_not_exist(live: LiveStore, http: httpx.Client, bucket: Bucket):
    url = "http://does-not-exist.invalid:9000/bucket/calls"
    _refused(http.post(SETTINGS, data=form(url, credential(http, bucket))), 53610)
    _unchanged(live, http)


@pytest.mark.parametrize("resolved", ["10.0.0.7", "169.254.169.254", "127.0.0.1", "fd00::1", "::ffff:10.0.0.7"])
def test_53610_a_name_that_leads_to_a_private_address(
    live: LiveStore, http: httpx.Client, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, resolved: str
):
    real = socket.getaddrinfo

    def lead(host: str, port: Any, *args: Any, **options: Any) -> Any:
        if host == "127.0.0.1":
            return real(host, port, *args, **options)
        family = socket.AF_INET6 if ":" in resolved else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (resolved, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lead)
    url = "https://bucket.s3.eu-west-1.amazonaws.com/calls"
    assert "refused" in _refused(http.post(SETTINGS, data=form(url, credential(http, bucket))), 53610)
    _unchanged(live, http)


def test_53611_an_unknown_access_key(live: LiveStore, http: httpx.Client, bucket: Bucket):
    sid = create(http, "AKIAUNKNOWNUNKNOWN00", "x" * 40)
    _refused(http.post(SETTINGS, data=form(bucket.url, sid)), 53611)
    _unchanged(live, http)
    assert traces(bucket) == ([], [])


def test_53611_a_wrong_secret(live: LiveStore, http: httpx.Client, bucket: Bucket):
    sid = create(http, bucket.credentials.access_key, "planted-wrong-secret-0123456789")
    message = _refused(http.post(SETTINGS, data=form(bucket.url, sid)), 53611)
    assert "planted" not in message
    _unchanged(live, http)


@pytest.mark.parametrize("sid", ["", "CR" + "0" * 32])
def test_53613_no_such_credential(live: LiveStore, http: httpx.Client, bucket: Bucket, sid: str):
    _refused(http.post(SETTINGS, data=form(bucket.url, sid)), 53613)
    _unchanged(live, http)


@pytest.mark.parametrize("sid", ["", "CR" + "0" * 32])
def test_53614_no_such_public_key(live: LiveStore, http: httpx.Client, bucket: Bucket, sid: str):
    more = {"EncryptionEnabled": "true", "EncryptionKeySid": sid}
    _refused(http.post(SETTINGS, data=form(bucket.url, credential(http, bucket), **more)), 53614)
    _unchanged(live, http)


def test_53612_a_public_key_that_can_not_wrap(live: LiveStore, http: httpx.Client, bucket: Bucket):
    made = http.post("/v1/Credentials/PublicKeys", data={"PublicKey": _pem(2048)})
    with live.store.database.write() as session:  # as if it had been stored by another version
        session.get(PublicKey, made.json()["sid"]).pem = _pem(1024)
    more = {"EncryptionEnabled": "true", "EncryptionKeySid": made.json()["sid"]}
    _refused(http.post(SETTINGS, data=form(bucket.url, credential(http, bucket), **more)), 53612)
    _unchanged(live, http)


@pytest.mark.parametrize(
    "missing",
    ["s3:ListBucketMultipartUploads", "s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
)
def test_53615_a_right_is_missing(live: LiveStore, http: httpx.Client, bucket: Bucket, missing: str):
    policy = _without(bucket, missing)
    bucket.server.set_policy(bucket.user.name, policy)
    message = _refused(http.post(SETTINGS, data=form(bucket.url, credential(http, bucket))), 53615)
    assert missing.removeprefix("s3:") in message
    _unchanged(live, http)
    left = bucket.uploads()
    assert bucket.keys() == []
    assert bool(left) is (missing == "s3:AbortMultipartUpload"), (
        "without the right to abort there is no way to clean up"
    )


def test_53615_another_folder(live: LiveStore, http: httpx.Client, bucket: Bucket):
    url = bucket.url.removesuffix("calls") + "elsewhere"
    _refused(http.post(SETTINGS, data=form(url, credential(http, bucket))), 53615)
    _unchanged(live, http)


def test_a_private_authority_is_trusted_once_it_is_given(
    live: LiveStore, http: httpx.Client, moto_tls_server: S3Server
):
    bucket = create_bucket(moto_tls_server)
    sid = credential(http, bucket)
    message = _refused(http.post(SETTINGS, data=form(bucket.url, sid)), 53610)
    assert "certificate" in message.lower()
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    _refused(http.post(SETTINGS, data=form(bucket.url, sid, CaBundle=broken)), 20001)
    _unchanged(live, http)
    assert moto_tls_server.ca_file is not None
    bundle = moto_tls_server.ca_file.read_text()
    answer = http.post(SETTINGS, data=form(bucket.url, sid, CaBundle=bundle))
    assert answer.status_code == 201, answer.text
    assert answer.json()["ca_bundle"] == bundle


def test_20503_a_server_that_fails_is_nobodys_fault(live: LiveStore, http: httpx.Client, bucket: Bucket, gate: Gate):
    gate.answer("POST .*uploads", 503, code="ServiceUnavailable", times=100)
    answer = http.post(SETTINGS, data=form(bucket.url_at(gate.endpoint), credential(http, bucket)))
    _refused(answer, 20503, status=503)
    assert answer.headers["retry-after"]
    _unchanged(live, http)
    assert traces(bucket) == ([], [])


def test_enabled_settings_are_proved_again_only_when_it_matters(live: LiveStore, http: httpx.Client, bucket: Bucket):
    sid = credential(http, bucket)
    assert http.post(SETTINGS, data=form(bucket.url, sid)).status_code == 201
    bucket.server.set_policy(bucket.user.name, _without(bucket, "s3:PutObject"))
    for harmless in ({"FriendlyName": "renamed"}, {"FriendlyName": "x", "RetryWindow": "5m", "StatusCallback": ""}):
        assert http.post(SETTINGS, data=harmless).status_code == 201
    for weighty in (
        {"AwsS3Url": bucket.url + "/deeper"},
        {"AwsCredentialsSid": credential(http, bucket)},
        {"Region": "eu-west-1"},
        {"StorageClass": "STANDARD_IA"},
    ):
        _refused(http.post(SETTINGS, data={"FriendlyName": "x"} | weighty), 53615)
    assert http.get(SETTINGS).json()["aws_s3_url"] == bucket.url
    assert http.post(SETTINGS, data={"FriendlyName": "x", "AwsStorageEnabled": "false"}).status_code == 201
    assert http.get(SETTINGS).json()["aws_s3_url"] == bucket.url, "disabling forgets nothing"
    _refused(http.post(SETTINGS, data={"FriendlyName": "x", "AwsStorageEnabled": "true"}), 53615)


def test_a_credential_in_use_is_not_deleted(live: LiveStore, http: httpx.Client, bucket: Bucket):
    sid = credential(http, bucket)
    assert http.post(SETTINGS, data=form(bucket.url, sid)).status_code == 201
    assert "video" in _refused(http.delete(f"/v1/Credentials/AWS/{sid}"), 20409, status=409)
    other = credential(http, bucket)
    assert http.post(SETTINGS, data={"FriendlyName": "x", "AwsCredentialsSid": other}).status_code == 201
    assert http.delete(f"/v1/Credentials/AWS/{sid}").status_code == 204
    http.post(SETTINGS, data={"FriendlyName": "x", "AwsStorageEnabled": "false"})
    assert http.delete(f"/v1/Credentials/AWS/{other}").status_code == 204
    with live.store.database.read() as session:
        assert [row.credential_sid for row in session.query(Destination)] == [None], "held until it gets another"
        assert session.get(Account, live.account.sid).revision == 4


def test_a_rotation_moves_every_destination(live: LiveStore, http: httpx.Client, bucket: Bucket):
    old = credential(http, bucket)
    http.post(SETTINGS, data=form(bucket.url, old))
    http.post(SETTINGS, data=form(bucket.url + "/deeper", old))
    new = credential(http, bucket)
    with live.store.database.write() as session:
        assert len(replace_credential(session, account_sid=live.account.sid, old=old, new=new)) == 2
    with live.store.database.read() as session:
        assert {row.credential_sid for row in session.query(Destination)} == {new}


def test_what_became_unusable_keeps_nobody_from_disabling(live: LiveStore, http: httpx.Client, bucket: Bucket):
    sid = credential(http, bucket)
    assert http.post(SETTINGS, data=form(bucket.url, sid)).status_code == 201
    object.__setattr__(live.store, "config", live.store.config.model_copy(update={"allow_endpoint": ()}))
    _refused(http.post(SETTINGS, data={"FriendlyName": "x"}), 53610)
    off = {"FriendlyName": "x", "AwsStorageEnabled": "false"}
    assert http.post(SETTINGS, data=off).status_code == 201
    assert http.delete(f"/v1/Credentials/AWS/{sid}").status_code == 204
    assert http.post(SETTINGS, data=off | {"FriendlyName": "y"}).status_code == 201
    _refused(http.post(SETTINGS, data={"FriendlyName": "x", "AwsStorageEnabled": "true"}), 53610)


def test_voice_and_video_are_set_apart(live: LiveStore, http: httpx.Client, bucket: Bucket):
    sid = credential(http, bucket)
    assert http.post("/v1/VoiceRecordingSettings/Default", data=form(bucket.url, sid)).status_code == 201
    assert http.get(SETTINGS).json()["aws_storage_enabled"] is False
    voice = http.get("/v1/VoiceRecordingSettings/Default").json()
    assert voice["aws_storage_enabled"] is True
    assert voice["url"].endswith("/v1/VoiceRecordingSettings/Default")


def test_one_post_is_one_revision(live: LiveStore, http: httpx.Client, bucket: Bucket):
    sid = credential(http, bucket)
    for number, name in enumerate(("a", "b", "c"), 1):
        assert http.post(SETTINGS, data=form(bucket.url, sid, FriendlyName=name)).status_code == 201
        with live.store.database.read() as session:
            assert session.get(Account, live.account.sid).revision == number
            assert session.get(Settings, (live.account.sid, "video")).revision == number


def _without(bucket: Bucket, action: str) -> dict[str, Any]:
    policy = least_rights(bucket.name, bucket.prefix)
    statements = []
    for statement in policy["Statement"]:
        actions = statement.get("Action")
        if actions is None:
            statements.append(statement)
        elif left := [name for name in ([actions] if isinstance(actions, str) else actions) if name != action]:
            statements.append(statement | {"Action": left})
    return policy | {"Statement": statements}


def _pem(bits: int) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.slow
def test_a_strict_server_lets_the_least_rights_through(versity_server: S3Server, tmp_path: Path):
    """It checks signatures, dates and checksums; nothing but the documented rights may be needed there, either."""
    bucket = create_bucket(versity_server)
    config = load_config(
        listen="127.0.0.1:0",
        internal_listen="127.0.0.1:0",
        database=f"sqlite:///{tmp_path / 'strict.db'}",
        master_key_file=tmp_path / "key",
        create_master_key=True,
        media=tmp_path / "media",
        allow_endpoint=(versity_server.endpoint,),
    )
    store = open_store(config)
    account = create_account(store, friendly_name="acme")
    with serving(store) as listening:
        strict = LiveStore(store, listening.public, account)
        with strict.http() as http:
            assert http.post(SETTINGS, data=form(bucket.url, credential(http, bucket))).status_code == 201
            wrong = create(http, bucket.credentials.access_key, "x" * 40)
            _refused(http.post(SETTINGS, data={"FriendlyName": "x", "AwsCredentialsSid": wrong}), 53611)
            elsewhere = bucket.url.removesuffix("calls") + "elsewhere"
            _refused(http.post(SETTINGS, data={"FriendlyName": "x", "AwsS3Url": elsewhere}), 53615)
    store.close()
    assert traces(bucket) == ([], [])
