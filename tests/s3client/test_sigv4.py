"""Our signatures are those that botocore makes."""

import datetime as dt
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from recording_storage.s3.sigv4 import EMPTY_SHA256, UNSIGNED_PAYLOAD, Signer, encoded_path, encoded_query
from recording_storage.s3.types import Credential

NOW = 1_795_240_800.0
WHEN = dt.datetime.fromtimestamp(NOW, dt.UTC).replace(tzinfo=None)
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=30)
VALUES = (
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40).map(str.strip).filter(bool)
)


def _oracle(method, url, headers, *, credential, payload_hash, region):
    """The Authorization header by botocore, made comparable: it writes the same fields with other spaces."""
    request = AWSRequest(method=method, url=url, headers={k: v for k, v in headers.items() if k != "host"})
    request.headers["X-Amz-Content-SHA256"] = payload_hash
    request.context["payload_signing_enabled"] = payload_hash != UNSIGNED_PAYLOAD
    auth = botocore.auth.S3SigV4Auth(
        Credentials(credential.access_key_id, credential.secret_access_key, credential.session_token), "s3", region
    )
    with (
        mock.patch.object(botocore.auth.S3SigV4Auth, "payload", return_value=payload_hash),
        mock.patch.object(botocore.auth, "get_current_datetime", return_value=WHEN),
    ):
        auth.add_auth(request)
    return request.headers["Authorization"].replace(", ", ",")


@given(
    method=st.sampled_from(["PUT", "POST", "GET", "DELETE"]),
    key=TEXT,
    query=st.dictionaries(TEXT, st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20), max_size=4),
    extra=st.dictionaries(st.from_regex(r"x-amz-meta-[a-z0-9-]{1,10}", fullmatch=True), VALUES, max_size=4),
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60),
    token=st.none() | st.from_regex(r"[A-Za-z0-9+/=]{1,80}", fullmatch=True),
    region=st.sampled_from(["us-east-1", "eu-west-1", "garage"]),
    payload_hash=st.sampled_from([UNSIGNED_PAYLOAD, EMPTY_SHA256]),
    host=st.sampled_from(["bucket.s3.eu-west-1.amazonaws.com", "127.0.0.1:9000", "minio.example"]),
)
def test_a_signature_is_botocore_s(  # noqa: PLR0917 - hypothesis names them
    method, key, query, extra, secret, token, region, payload_hash, host
):
    credential = Credential("AKIDEXAMPLE", secret, token)
    path, encoded = encoded_path(f"/bucket/{key}"), encoded_query(query)
    headers = {"host": host, "content-type": "audio/wav", "if-none-match": "*", **extra}
    signed = Signer(credential).headers(
        method, path=path, query=encoded, headers=headers, payload_hash=payload_hash, region=region, now=NOW
    )
    url = f"https://{host}{path}" + (f"?{encoded}" if encoded else "")
    assert urlsplit(url).query == encoded
    expected = _oracle(method, url, headers, credential=credential, payload_hash=payload_hash, region=region)
    assert signed["authorization"] == expected


def test_the_key_is_derived_anew_for_another_day_or_region():
    signer = Signer(Credential("AK", "secret"))

    def authorization(*, region: str, now: float) -> str:
        return signer.headers(
            "GET", path="/", query="", headers={"host": "h"}, payload_hash=EMPTY_SHA256, region=region, now=now
        )["authorization"]

    first = authorization(region="a", now=NOW)
    seen = {first, authorization(region="b", now=NOW), authorization(region="a", now=NOW + 86400)}
    assert len(seen) == 3
    assert authorization(region="a", now=NOW) == first


def test_what_a_proxy_may_change_is_not_signed():
    signed = Signer(Credential("AK", "secret")).headers(
        "PUT",
        path="/b/k",
        query="",
        headers={"host": "h", "user-agent": "x", "content-length": "3", "connection": "keep-alive"},
        payload_hash=EMPTY_SHA256,
        region="us-east-1",
        now=NOW,
    )
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date," in signed["authorization"]


def test_a_credential_shows_no_secret():
    credential = Credential("AKID", "hunter2", "token3")
    assert "hunter2" not in repr(credential)
    assert "token3" not in repr(credential)


@pytest.mark.parametrize(
    ("path", "encoded"), [("/b/a b+c~", "/b/a%20b%2Bc~"), ("/b/ü//..", "/b/%C3%BC//.."), ("/b/a%2F", "/b/a%252F")]
)
def test_a_path_is_encoded_once_and_not_normalised(path, encoded):
    assert encoded_path(path) == encoded
