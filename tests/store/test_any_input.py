"""Whatever is sent, the answer is one of the API's own: never a 500."""

from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recording_storage.domain.settings import RecordingSettings
from recording_storage.domain.settings_parameters import PARAMETERS, SettingsError
from recording_storage.store.app import create_public_app
from recording_storage.store.config import load_config
from recording_storage.store.context import open_store
from recording_storage.store.services.accounts import create_account

pytestmark = pytest.mark.slow

quick = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
texts = st.text(max_size=80) | st.sampled_from(["", "true", "false", "CR" + "0" * 32, "https://b-b.s3.amazonaws.com/x"])
forms = st.dictionaries(st.sampled_from(sorted(PARAMETERS)) | st.text(max_size=10), texts, max_size=8)
PATHS = [
    "/v1/RecordingSettings/Default",
    "/v1/VoiceRecordingSettings/Default",
    "/v1/Credentials/AWS",
    "/v1/Credentials/PublicKeys",
    "/v1/Compositions",
    "/2010-04-01/Accounts/{account}/Keys.json",
]
LISTS = [
    "/v1/Recordings",
    "/v1/Rooms/RM1/Recordings",
    "/v1/Credentials/AWS",
    "/2010-04-01/Accounts/{account}/Recordings.json",
    "/2010-04-01/Accounts/{account}/Calls/CA1/Recordings.json",
]
FILTERS = [
    "PageSize", "Page", "PageToken", "Status", "SourceSid", "GroupingSid", "DateCreatedAfter", "DateCreatedBefore",
    "MediaType", "DateCreated", "DateCreated<", "DateCreated>", "CallSid", "ConferenceSid",
]  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("store")
    url = f"sqlite:///{folder / 'store.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").create_database()
    config = load_config(database=url, master_key_file=folder / "key", create_master_key=True, media=folder / "media")
    store = open_store(config)
    account = create_account(store, friendly_name="acme")
    with TestClient(create_public_app(store), raise_server_exceptions=False) as client:
        client.auth = httpx.BasicAuth(account.sid, account.auth_token)
        client.account_sid = account.sid
        yield client
    store.close()


def check(answer: httpx.Response) -> None:
    assert answer.status_code != 500, answer.text
    if answer.status_code >= 400:
        assert set(answer.json()) == {"code", "message", "more_info", "status"}


@quick
@given(path=st.sampled_from(PATHS), form=forms)
def test_forms(client: TestClient, path: str, form: dict[str, str]):
    # Nothing may be connected to from here, so that no example depends on the network.
    data = {name: value.encode(errors="replace").decode() for name, value in form.items()}
    if data.get("AwsStorageEnabled", "").strip().lower() == "true":
        data["AwsCredentialsSid"] = ""
    names = {name.encode(errors="replace").decode(): value for name, value in data.items()}
    check(client.post(path.format(account=client.account_sid), data=names))


@quick
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=200))
def test_bodies(client: TestClient, path: str, body: bytes):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    check(client.post(path.format(account=client.account_sid), content=body, headers=headers))


@quick
@given(
    path=st.sampled_from(LISTS),
    query=st.dictionaries(
        st.sampled_from(FILTERS),
        st.text(max_size=30)
        | st.integers().map(str)
        | st.datetimes().map(str)
        | st.dates().map(str)
        | st.sampled_from(["PTQTAuUlQ", "0001-01-01T00:00:00+14:00", "9999-12-31", "9999-12-31T23:59:59-14:00"]),
        max_size=4,
    ),
)
def test_queries(client: TestClient, path: str, query: dict[str, str]):
    cleaned = {name: value.encode(errors="replace").decode() for name, value in query.items()}
    check(client.get(path.format(account=client.account_sid), params=cleaned))


@quick
@given(path=st.lists(st.text(max_size=20), max_size=5))
def test_paths(client: TestClient, path: list[str]):
    segments = "/".join(quote(part.encode(errors="replace"), safe="") for part in path)
    for method in ("GET", "DELETE"):
        for start in ("/v1/", f"/2010-04-01/Accounts/{client.account_sid}/", "/v1/Recordings/"):
            check(client.request(method, start + segments))


@quick
@given(header=st.binary(max_size=60).filter(lambda text: b"\n" not in text and b"\r" not in text and b"\0" not in text))
def test_authorizations(client: TestClient, header: bytes):
    answer = client.get("/v1/Recordings", auth=None, headers={"Authorization": b"Basic " + header})
    assert answer.status_code in {200, 401}
    check(answer)


@settings(max_examples=300, deadline=None)
@given(form=forms)
def test_settings_that_are_taken_come_back_as_they_were_stored(form: dict[str, str]):
    try:
        after = RecordingSettings().updated(form | {"FriendlyName": "x"})
    except SettingsError:
        return
    assert RecordingSettings.from_values(after.to_values()) == after
    assert after.updated({"FriendlyName": "x"}) == after
    assert after.retry_seconds >= 0
