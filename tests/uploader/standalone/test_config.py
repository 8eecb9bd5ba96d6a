"""The configuration file: read strictly, told clearly, no secret shown."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from recording_storage.domain.policy import FatalErrorPolicy
from recording_storage.domain.states import Product
from recording_storage.protocol.plan import AccountPlan
from recording_storage.uploader.core.plans import without_credentials
from recording_storage.uploader.standalone.config import ConfigError, plan_of, read_config

SECRET = "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY"
GOOD: dict[str, Any] = {
    "destination": {
        "url": "http://127.0.0.1:9000/bucket/calls",
        "region": "us-east-1",
        "accessKeyId": "AKIAEXAMPLE",
        "secretAccessKey": SECRET,
    },
    "allowHttp": True,
    "policy": {
        "retryWindow": "2h",
        "fatalErrorPolicy": "Delete",
        "denialGrace": 0,
        "storageClass": "STANDARD",
        "tags": {"team": "a"},
    },
    "settle": "1s",
}


def destination(**changes: object) -> dict[str, object]:
    return {"destination": {**GOOD["destination"], **changes}}


def written(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "uploader.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_the_documented_form(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, GOOD))
    plan = plan_of(config, folder=tmp_path)
    terms = plan.destinations[str(plan.products[Product.VOICE].destination_id)]
    assert (terms.endpoint, terms.bucket, terms.prefix) == ("http://127.0.0.1:9000", "bucket", "calls/")
    assert plan.products[Product.VIDEO].fatal_error_policy is FatalErrorPolicy.DELETE
    assert plan.products[Product.VIDEO].retry_window == 7200
    assert plan.products[Product.VIDEO].denial_grace == 0
    assert AccountPlan.from_json(without_credentials(plan).to_json()).products == plan.products
    assert config.settle == 1.0
    assert SECRET not in f"{config!r} {plan!r} {plan.to_json()!r}"


def test_the_most_that_is_taken(tmp_path: Path) -> None:
    policy = {"retryWindow": "365d", "tags": {"équipe": "a b+c-d=e.f_g:h/i@j", "empty": ""}}
    config = read_config(written(tmp_path, {**GOOD, "settle": "1d", "policy": policy}))
    assert (config.settle, config.policy.retry_window) == (86400, 365 * 86400)
    assert config.policy.tags == policy["tags"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"destinaton": {}}, "destinaton is unknown"),
        ({"settle": "soon"}, "settle 'soon' is no duration"),
        ({"encryption": {"scheme": "rsa-aes"}}, "not available in this version"),
        ({"allowHttp": False}, "set allowHttp: true"),
        ({"policy": {"keyTemplate": "{call_sid}"}}, "policy.keyTemplate key template '{call_sid}'"),
        ({"policy": {"retryWindow": -5}}, "must not be negative"),
        ({"policy": {"fatalErrorPolicy": "Forget"}}, "policy.fatalErrorPolicy 'Forget'"),
        ({"policy": {"denialGrace": "soon"}}, "policy.denialGrace 'soon'"),
        ({"policy": {"denialGrace": "366d"}}, "policy.denialGrace '366d' must be a duration of 365d at most"),
        ({"policy": {"objectMetadata": "some"}}, "policy.objectMetadata 'some' must be 'None' or 'Sids' or 'All'"),
        (destination(url="ftp://x/y"), "destination.url"),
        (destination(secretAccessKey=["x", SECRET]), "destination.secretAccessKey"),
        ({"destination": {"url": "https://bucket.s3.amazonaws.com"}}, "is missing; add it"),
        (destination(secretAccessKey=12345), "destination.secretAccessKey must be a text; put it in quotes"),
        (destination(secretAccessKey=""), "destination.secretAccessKey must not be empty"),
        (destination(secretAccessKey=f"{SECRET}\n"), "destination.secretAccessKey has a line break"),
        (destination(accessKeyId=12345), "destination.accessKeyId must be a text; put it in quotes"),
        (destination(accessKeyId=""), "destination.accessKeyId must not be empty"),
        (destination(accessKeyId=f"AK\r\n{SECRET}"), "destination.accessKeyId must be printable ASCII in one line"),
        (destination(accessKeyId=f"é{SECRET}"), "destination.accessKeyId must be printable ASCII in one line"),
        (destination(sessionToken=f"{SECRET}\n"), "destination.sessionToken must be printable ASCII in one line"),
        (destination(expiration="tomorrow"), "destination.expiration 'tomorrow' must be a time with its zone"),
        (destination(expiration="2026-01-31T12:00:00"), "destination.expiration '2026-01-31T12:00:00' must be a time"),
        (destination(expiration=1769860800), "destination.expiration 1769860800 must be a time with its zone"),
        (destination(expectedBucketOwner="1\n2"), "destination.expectedBucketOwner must be printable ASCII"),
        (destination(caFile="a\0b"), "destination.caFile 'a\\x00b' is no file of PEM certificates"),
        (destination(caFile="none.pem"), "destination.caFile 'none.pem' can't be read (No such file or directory)"),
        (destination(caFile="junk.pem"), "destination.caFile 'junk.pem' holds no PEM certificate"),
        (destination(caFile="empty.pem"), "destination.caFile 'empty.pem' is no file of PEM certificates"),
        ({"policy": {"storageClass": "A\r\nX: y"}}, "policy.storageClass must be printable ASCII in one line"),
        ({"policy": {"storageClass": "É"}}, "policy.storageClass must be printable ASCII in one line"),
        ({"policy": {"kmsKeyId": "a\nb"}}, "policy.kmsKeyId must be printable ASCII in one line"),
        ({"policy": {"tags": ["a"]}}, "policy.tags must be a mapping"),
        ({"policy": {"tags": {"team": "a", "floor": 1}}}, "policy.tags 'floor' must be a text; put it in quotes"),
        ({"policy": {"tags": {"a\nb": "c"}}}, "policy.tags 'a\\nb': use letters, digits, spaces"),
        ({"policy": {"tags": {"a": "b\r\nc"}}}, "policy.tags 'a': use letters, digits, spaces"),
        ({"policy": {"tags": {"": "b"}}}, "policy.tags '': a name has 1 to 128 characters"),
        ({"policy": {"tags": {"AWS:a": "b"}}}, "policy.tags 'AWS:a': a name has 1 to 128 characters and not aws:"),
        ({"policy": {"tags": dict.fromkeys("abcdefghijk", "x")}}, "policy.tags are 11; S3 takes 10"),
        ({"policy": {"retryWindow": math.inf}}, "policy.retryWindow inf must be a duration of 365d at most"),
        ({"policy": {"retryWindow": "366d"}}, "policy.retryWindow '366d' must be a duration of 365d at most"),
        ({"policy": {"retryWindow": "9" * 400 + "h"}}, "is too long"),
        ({"settle": math.nan}, "settle nan must be a duration of 1d at most"),
        ({"settle": 86401}, "settle 86401 must be a duration of 1d at most"),
        ({"settle": 10**400}, "settle a number of that length must be a duration of 1d at most"),
        ({"settle": -(10**400)}, "settle a number of that length must not be negative"),
        ({"settle": True}, "settle must be a duration such as 30s"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(tmp_path: Path, change: dict[str, object], words: str) -> None:
    (tmp_path / "junk.pem").write_text("-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----\n")
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ConfigError) as caught:
        plan_of(read_config(written(tmp_path, {**GOOD, **change})), folder=tmp_path)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[", "- a", "", "\x00", "a: b: c"])
def test_what_is_no_configuration(tmp_path: Path, text: str) -> None:
    path = tmp_path / "uploader.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_config(path)
