"""The configuration file: read strictly, told clearly, no secret shown."""

from pathlib import Path

import pytest
import yaml

from recording_storage.domain.policy import FatalErrorPolicy
from recording_storage.domain.states import Product
from recording_storage.uploader.config import ConfigError, plan_of, read_config

SECRET = "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY"
GOOD = {
    "destination": {
        "url": "http://127.0.0.1:9000/bucket/calls",
        "region": "us-east-1",
        "accessKeyId": "AKIAEXAMPLE",
        "secretAccessKey": SECRET,
    },
    "allowHttp": True,
    "policy": {"retryWindow": "2h", "fatalErrorPolicy": "Delete", "storageClass": "STANDARD", "tags": {"team": "a"}},
    "settle": "1s",
}


def written(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "uploader.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_the_documented_form(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, GOOD))
    plan = plan_of(config, folder=tmp_path)
    terms = plan.destinations[str(plan.products[Product.VOICE].destination_id)]
    assert (terms.endpoint, terms.bucket, terms.prefix) == ("http://127.0.0.1:9000", "bucket", "calls/")
    assert plan.products[Product.VIDEO].policy.fatal_error_policy is FatalErrorPolicy.DELETE
    assert plan.products[Product.VIDEO].policy.retry_window == 7200
    assert config.settle == 1.0
    assert SECRET not in repr(config) + repr(plan) + plan.to_json()


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
        ({"destination": {**GOOD["destination"], "url": "ftp://x/y"}}, "destination.url"),
        ({"destination": {**GOOD["destination"], "secretAccessKey": ["x", SECRET]}}, "destination.secretAccessKey"),
        ({"destination": {"url": "https://bucket.s3.amazonaws.com"}}, "is missing; add it"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(tmp_path: Path, change: dict[str, object], words: str) -> None:
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
