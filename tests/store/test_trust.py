"""Settings for a server that vouches for nothing of what it stores are taken only where they say that it is trusted."""

import secrets
from collections.abc import Iterator

import httpx
import pytest

from recording_storage.store.database.models import Destination, Settings
from tests.field.integrity import Vouching, everything
from tests.field.server import FieldBucket, FieldServer
from tests.store.conftest import LiveStore

SETTINGS = "/v1/RecordingSettings/Default"


def any_etag(_body: bytes) -> str:
    return secrets.token_hex(16)


@pytest.fixture
def doubtful() -> Iterator[FieldServer]:
    """It compares nothing, and its ETags are no MD5."""
    with FieldServer() as server:
        server.vouching = Vouching()
        yield server


@pytest.fixture
def bucket(doubtful: FieldServer) -> FieldBucket:
    return doubtful.bucket(etag_of=any_etag)


@pytest.fixture
def allowed_endpoints(doubtful: FieldServer) -> tuple[str, ...]:
    return (doubtful.endpoint,)


@pytest.fixture
def http(live: LiveStore) -> Iterator[httpx.Client]:
    with live.http() as client:
        yield client


@pytest.fixture
def form(http: httpx.Client, bucket: FieldBucket) -> dict[str, str]:
    keys = f"{bucket.credentials.access_key}:{bucket.credentials.secret_key}"
    answer = http.post("/v1/Credentials/AWS", data={"Credentials": keys, "FriendlyName": "c"})
    return {
        "FriendlyName": "production",
        "AwsS3Url": bucket.url,
        "AwsCredentialsSid": answer.json()["sid"],
        "AwsStorageEnabled": "true",
    }


def refused(answer: httpx.Response) -> str:
    assert (answer.status_code, answer.json()["code"]) == (400, 53610), answer.text
    message: str = answer.json()["message"]
    return message


@pytest.mark.parametrize("unset", [{}, {"TrustUnverified": ""}, {"TrustUnverified": "false"}])
def test_it_is_refused_by_name(
    http: httpx.Client, form: dict[str, str], bucket: FieldBucket, unset: dict[str, str]
) -> None:
    message = refused(http.post(SETTINGS, data=form | unset))
    assert "set TrustUnverified to true" in message
    assert form["AwsCredentialsSid"] not in message
    found = http.get(SETTINGS).json()
    assert (found["aws_storage_enabled"], found["trust_unverified"]) == (False, False)
    assert (bucket.keys(), bucket.uploads()) == ([], [])


def test_it_is_taken_where_it_is_trusted_and_stays_so(
    live: LiveStore, http: httpx.Client, form: dict[str, str]
) -> None:
    answer = http.post(SETTINGS, data=form | {"TrustUnverified": "true"})
    assert (answer.status_code, answer.json()["trust_unverified"]) == (201, True), answer.text
    kept = http.post(SETTINGS, data={"FriendlyName": "renamed"})
    assert (kept.status_code, kept.json()["trust_unverified"]) == (201, True)
    with live.store.database.read() as session:
        settings = session.get(Settings, (live.account.sid, "video"))
        assert settings is not None
        destination = session.get(Destination, (live.account.sid, settings.destination_id))
        assert destination is not None
        assert destination.values["trust_unverified"] is True


def test_trust_is_taken_back_only_where_the_server_vouches(
    http: httpx.Client, form: dict[str, str], doubtful: FieldServer
) -> None:
    assert http.post(SETTINGS, data=form | {"TrustUnverified": "true"}).status_code == 201
    taken_back = {"FriendlyName": "production", "TrustUnverified": "false"}
    refused(http.post(SETTINGS, data=taken_back))
    assert http.get(SETTINGS).json()["trust_unverified"] is True
    doubtful.vouching = everything()
    answer = http.post(SETTINGS, data=taken_back)
    assert (answer.status_code, answer.json()["trust_unverified"]) == (201, False), answer.text


def test_what_is_no_boolean_is_refused_by_name(http: httpx.Client) -> None:
    answer = http.post(SETTINGS, data={"FriendlyName": "production", "TrustUnverified": "perhaps"})
    assert (answer.status_code, answer.json()["code"]) == (400, 20001)
    assert answer.json()["message"] == "TrustUnverified: it is true or false"
