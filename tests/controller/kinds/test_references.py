"""A wrong or missing reference gives a condition that says what to do, and is mended without further ado."""

import pytest

from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.watching import condition, is_

pytestmark = pytest.mark.slow


def test_whatever_order_things_are_applied_in_all_come_to_ready(world: World) -> None:
    world.apply(resources.settings(world.namespace, world.bucket.url))
    found = world.until("RecordingSettings", "default", is_("RefsResolved", "False", "AccountNotFound"))
    assert f"RecordingAccount {world.namespace}/default does not exist" in condition(found, "Ready")["message"]
    assert not condition(found, "Stalled"), "what a later file of the same apply brings is no failure"

    world.apply(resources.account(world.namespace))
    found = world.until("RecordingSettings", "default", is_("RefsResolved", "False", "AwsCredentialNotFound"))
    assert f"{world.namespace}/main" in condition(found, "Ready")["message"]

    world.apply(resources.aws_credential(world.namespace))
    found = world.until("AwsCredential", "main", is_("RefsResolved", "False", "SecretNotFound"))
    assert "'secretAccessKey'" in condition(found, "Ready")["message"]
    world.until("RecordingSettings", "default", is_("RefsResolved", "False", "AwsCredentialNotReady"))

    world.apply(resources.aws_secret(world.namespace, world.bucket.credentials))
    world.ready("AwsCredential", "main")
    world.ready("RecordingSettings", "default")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"accessKeyId": "AKIA"}, "has no key 'secretAccessKey' (it has: accessKeyId)"),
        ({"accessKeyId": "AKIA", "secretAccessKey": ""}, "the value of 'secretAccessKey' is empty"),
        ({"accessKeyId": " ", "secretAccessKey": "secret12"}, "'accessKeyId' is nothing but white space"),
        ({"accessKeyId": "AKIA", "secretAccessKey": "secret12\n"}, "begins or ends with a line break"),
    ],
)
def test_what_is_wrong_with_a_secret_is_named_without_its_value(world: World, data: dict[str, str], fault: str) -> None:
    world.apply(resources.account(world.namespace), resources.secret(world.namespace, "aws", data))
    world.apply(resources.aws_credential(world.namespace))
    found = world.until("AwsCredential", "main", is_("Ready", "False", "SecretInvalid"))
    message = condition(found, "Ready")["message"]
    assert fault in message
    assert "secret12" not in message

    world.apply(resources.aws_secret(world.namespace, world.bucket.credentials))
    world.ready("AwsCredential", "main")


def test_a_credential_of_another_account_is_refused(world: World) -> None:
    world.all_ready()
    world.apply(resources.account(world.namespace, "second"))
    other = resources.settings(world.namespace, world.bucket.url, "second", accountRef={"name": "second"})
    world.apply(other)
    found = world.until("RecordingSettings", "second", is_("Stalled", "True", "AwsCredentialOfOtherAccount"))
    assert f"belongs to RecordingAccount {world.namespace}/default" in condition(found, "Ready")["message"]


def test_a_namespace_that_the_account_does_not_allow_is_told_nothing(world: World) -> None:
    world.apply(resources.account(world.namespace))
    world.ready("RecordingAccount", "default")
    ref = {"name": "default", "namespace": "kube-system"}
    world.apply(resources.aws_credential(world.namespace, accountRef=ref))
    found = world.until("AwsCredential", "main", is_("Ready", "False", "AccountNotAllowed"))
    assert "does not exist or does not allow namespace" in condition(found, "Ready")["message"]


def test_an_account_of_somebody_else_is_not_taken_by_its_sid(world: World) -> None:
    opened = world.store.internal(
        "PUT", f"/accounts:by-external-id/other-{world.namespace}", {"friendly_name": "other"}
    )
    world.apply(resources.account(world.namespace, accountSid=opened["account_sid"]))
    found = world.until("RecordingAccount", "default", is_("Stalled", "True", "AccountNotOurs"))
    assert "default-api-key" in condition(found, "Ready")["message"]
    assert world.store.internal("GET", f"/accounts/{opened['account_sid']}/bindings") == {"bindings": []}

    key = {"username": opened["api_key_sid"], "password": opened["api_key_secret"]}
    world.apply(resources.secret(world.namespace, "default-api-key", key))
    found = world.ready("RecordingAccount", "default")
    assert found["status"]["accountSid"] == opened["account_sid"]
    bindings = world.store.internal("GET", f"/accounts/{opened['account_sid']}/bindings")["bindings"]
    assert [each["namespace"] for each in bindings] == [world.namespace]


def test_a_selector_binds_namespaces_as_they_come_and_go(world: World) -> None:
    selector = {"matchLabels": {"recorders": world.namespace}}
    world.apply(resources.account(world.namespace, allowedNamespaces={"from": "Selector", "selector": selector}))
    world.ready("RecordingAccount", "default")
    other = f"{world.namespace}-other"
    labelled = {"name": other, "labels": {"recorders": world.namespace}}
    world.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": labelled})
    try:
        found = world.until("RecordingAccount", "default", lambda found: len(found["status"]["boundNamespaces"]) == 2)
        assert {each["name"] for each in found["status"]["boundNamespaces"]} == {world.namespace, other}
        bindings = world.store.internal("GET", f"/accounts/{world.account_sid()}/bindings")["bindings"]
        assert {each["namespace"] for each in bindings} == {world.namespace, other}

        world.kube.patch("v1", "Namespace", other, {"metadata": {"labels": {"recorders": None}}})
        world.until("RecordingAccount", "default", lambda found: len(found["status"]["boundNamespaces"]) == 1)
    finally:
        world.kube.delete("v1", "Namespace", other)


def test_a_private_key_in_a_config_map_never_reaches_the_store(world: World, rsa_pem: str) -> None:
    private = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keys", "namespace": world.namespace}}
    source = {"type": "ConfigMap", "configMap": {"name": "keys"}}
    world.apply(resources.account(world.namespace), config_map | {"data": {"public.pem": private}})
    world.apply(
        resources.resource("PublicKey", "k1", world.namespace, {"accountRef": {"name": "default"}, "source": source})
    )
    world.until("PublicKey", "k1", is_("Stalled", "True", "PrivateKey"))

    world.apply(config_map | {"data": {"public.pem": rsa_pem}})
    found = world.ready("PublicKey", "k1")
    stored = world.stored("GET", "/v1/Credentials/PublicKeys")["credentials"]
    assert [each["sid"] for each in stored] == [found["status"]["sid"]]
