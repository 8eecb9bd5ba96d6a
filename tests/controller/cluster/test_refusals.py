"""What the API server refuses has a reason that a person can act on; missing rights are told from all else."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from recording_storage.controller.cluster.kube import KubeError
from recording_storage.controller.cluster.refusals import api_trouble
from recording_storage.controller.core.decision import Decision
from recording_storage.controller.core.verdicts import Stalled
from recording_storage.controller.reconcile import FINALIZER
from recording_storage.domain.conditions import MAX_MESSAGE
from tests.cluster import kube as clusters
from tests.cluster.kube import Document, Kube
from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.one_look import ApiServer, Written, item, look
from tests.controller.watching import condition, is_
from tests.waiting import eventually

POLICY = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"
WEBHOOK = 'admission webhook "w.example.com" denied the request: no'
RBAC = 'secrets "x" is forbidden: User "u" cannot get resource "secrets" in API group "" in the namespace "n"'


@pytest.mark.parametrize(
    ("status", "message", "reason", "stalled"),
    [
        (400, "unable to parse requirement", "RefusedByCluster", True),
        (400, WEBHOOK, "RefusedByPolicy", True),
        (401, "Unauthorized", "ApiServerUnavailable", False),
        (403, RBAC, "ForbiddenByCluster", False),
        (403, 'secrets "x" is forbidden: exceeded quota: q', "QuotaExceeded", True),
        (403, "unable to create new content in namespace n because it is being terminated", "NamespaceEnding", False),
        (403, WEBHOOK, "RefusedByPolicy", True),
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest"', "RefusedByPolicy", True),
        (413, "the request is too large", "TooLargeForCluster", True),
        (422, 'Secret "x" is invalid: metadata.name', "RefusedByCluster", True),
        (422, POLICY, "RefusedByPolicy", True),
        *(
            (status, text, "RefusedByPolicy", True)
            for text in (POLICY, WEBHOOK)
            for status in (401, 404, 405, 409, 410, 429, 500)
        ),
        (403, 'secrets "x" is forbidden: status unknown for quota: q, resources: count/secrets', "QuotaExceeded", True),
        (403, 'secrets "x" is forbidden: failed quota: q: must specify secrets', "QuotaExceeded", True),
        (409, "the object has been modified", "ApiServerUnavailable", False),
        (429, "busy", "ApiServerUnavailable", False),
        (500, "failed calling webhook", "ApiServerUnavailable", False),
        (0, "can't be reached", "ApiServerUnavailable", False),
    ],
)
def test_each_refusal_has_its_reason(status: int, message: str, reason: str, *, stalled: bool) -> None:
    verdict = api_trouble(KubeError(status, "", message), "Secret n/x")
    assert verdict.reason == reason
    assert isinstance(verdict, Stalled) is stalled
    assert "Secret n/x" in verdict.message
    assert message in verdict.message


def no_finalizer(status: int, text: str) -> Callable[[Document], KubeError | None]:
    return lambda body: KubeError(status, "", text) if "finalizers" in body["metadata"] else None


@pytest.mark.parametrize("meta", [{"finalizers": []}, {"deletionTimestamp": "2020-01-01T00:00:00Z"}])
@pytest.mark.parametrize(("status", "text"), [(422, POLICY), *((each, WEBHOOK) for each in (403, 404, 409, 429, 500))])
async def test_a_policy_on_the_object_itself_is_told_in_its_status(
    meta: dict[str, Any], status: int, text: str
) -> None:
    server = ApiServer(item(**meta), refuse=no_finalizer(status, text))
    outcome = await look(server, Written(Decision(message="fine", finished=True)))
    assert server.condition("Stalled")["reason"] == "RefusedByPolicy"
    assert text in server.condition("Ready")["message"]
    assert outcome.after is not None
    server.refuse = lambda _: None
    await look(server, Written(Decision(message="fine", finished=True)))
    assert (FINALIZER in server.item["metadata"]["finalizers"]) is ("finalizers" in meta)


async def test_the_api_server_is_left_alone_for_five_minutes_at_most() -> None:
    error = KubeError(429, "", "busy", retry_after=86400.0)
    outcome = await look(ApiServer(item()), Written(api_trouble(error, "Secret n/x")))
    assert outcome.after == 300.0


def test_the_api_server_s_words_are_one_bounded_line() -> None:
    error = KubeError(500, "Reason" * 99, f"{WEBHOOK}\nat line 1\r\x1b[31m{'x' * 100_000}")
    assert str(error).isprintable()
    assert len(str(error)) < 2 * MAX_MESSAGE
    assert api_trouble(error, "Secret n/x").reason == "RefusedByPolicy"


def secret(namespace: str, **more: Any) -> Document:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": namespace} | more}


def quota(namespace: str, number: int) -> Document:
    meta = {"name": "q", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"secrets": str(number)}}}


def set_quota(kube: Kube, namespace: str, number: int) -> None:
    """Its status is what counts; a controller manager would write it. The API server hears of it a moment later."""
    kube.apply(quota(namespace, number))
    used = {"status": {"hard": {"secrets": str(number)}, "used": {"secrets": "0"}}}
    kube.patch("v1", "ResourceQuota", "q", used, namespace=namespace, subresource="status")
    if number == 0:
        eventually(lambda: is_refused(kube, secret(namespace, name="probe")), what="the quota is in force")


def is_refused(kube: Kube, document: Document) -> bool:
    """Whether it could not be created; it is not."""
    try:
        kube.request("POST", kube.path(document, collection=True), document, query={"dryRun": "All"})
    except clusters.KubeError:
        return True
    return False


def too_large(kube: Kube, namespace: str) -> None:
    kube.create(secret(namespace) | {"data": {"x": base64.b64encode(b"x" * 4_000_000).decode()}})


def wrong_name(kube: Kube, namespace: str) -> None:
    kube.create(secret(namespace, name="n" * 254))


def wrong_selector(kube: Kube, namespace: str) -> None:
    del namespace
    kube.request("GET", "/api/v1/namespaces", query={"labelSelector": "a b=c"})


def ending(kube: Kube, namespace: str) -> None:
    kube.delete("v1", "Namespace", namespace)
    kube.create(secret(namespace))


def over_quota(kube: Kube, namespace: str) -> None:
    set_quota(kube, namespace, 0)
    kube.create(secret(namespace))


def without_right(kube: Kube, namespace: str) -> None:
    account = f"system:serviceaccount:{namespace}:default"
    sent = {"Impersonate-User": account, "Accept": "application/json"}
    path = kube.path_of("v1", "Secret", "x", namespace=namespace)
    answer = kube.api.rest_client.request("GET", kube.api.configuration.host + path, headers=sent)
    raise clusters.KubeError(answer.status, answer.read().decode())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (wrong_name, "RefusedByCluster"),
        (wrong_selector, "RefusedByCluster"),
        (ending, "NamespaceEnding"),
        (over_quota, "QuotaExceeded"),
        (without_right, "ForbiddenByCluster"),
        (too_large, "TooLargeForCluster"),
    ],
)
def test_the_real_api_servers_words_are_understood(
    kube: Kube, namespace: str, attempt: Callable[[Kube, str], None], reason: str
) -> None:
    with pytest.raises(clusters.KubeError) as caught:
        attempt(kube, namespace)
    error = KubeError(caught.value.status, caught.value.reason, str(caught.value))
    assert api_trouble(error, "Secret n/x").reason == reason


@pytest.mark.slow
def test_an_account_whose_secret_is_over_quota_says_so_and_recovers(world: World) -> None:
    set_quota(world.kube, world.namespace, 0)
    world.apply(resources.account(world.namespace))
    found = world.until("RecordingAccount", "default", is_("Stalled", "True", "QuotaExceeded"))
    assert "exceeded quota: q" in condition(found, "Ready")["message"]
    set_quota(world.kube, world.namespace, 9)
    world.ready("RecordingAccount", "default")


@contextmanager
def denied(world: World, resource: str) -> Iterator[None]:
    """A policy of the cluster denies to create these in the namespace; left once it is gone and forgotten."""
    name = f"deny-{world.namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}
    api = "admissionregistration.k8s.io/v1"
    validations = [{"expression": "false", "message": "not in this namespace"}]
    constraints = {"resourceRules": [rule], "namespaceSelector": here}
    spec = {"failurePolicy": "Fail", "matchConstraints": constraints, "validations": validations}
    bound = {"policyName": name, "validationActions": ["Deny"]}
    documents = [
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": bound},
    ]
    world.apply(*documents)
    try:
        until_denied(world, is_denied=True)
        yield
    finally:
        for document in reversed(documents):
            world.kube.delete(api, document["kind"], name)
        until_denied(world, is_denied=False)


def until_denied(world: World, *, is_denied: bool) -> None:
    """The API server tells nobody when it has taken a policy up: it is asked until it has."""
    path = world.kube.path_of("v1", "Secret", namespace=world.namespace)

    def taken_up() -> bool:
        try:
            world.kube.request("POST", path, secret(world.namespace), query={"dryRun": "All"})
        except clusters.KubeError:
            return is_denied
        return not is_denied

    eventually(taken_up, what="the policy is in force" if is_denied else "the policy is gone")


@pytest.mark.slow
def test_an_account_whose_secret_a_policy_denies_says_so_and_recovers(world: World) -> None:
    with denied(world, "secrets"):
        world.apply(resources.account(world.namespace))
        found = world.until("RecordingAccount", "default", is_("Stalled", "True", "RefusedByPolicy"))
        assert "not in this namespace" in condition(found, "Ready")["message"]
    world.ready("RecordingAccount", "default")
