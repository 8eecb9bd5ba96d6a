"""Service accounts' tokens, checked by a real API server."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from recording_storage.protocol.accounts import OpenAccount, OpenedAccount
from recording_storage.protocol.recordings import BatchResponse
from recording_storage.protocol.spools import AssignSpool, Spools, SpoolStanding
from recording_storage.protocol.sync import SpoolPlace, SyncResponse
from recording_storage.store.changes import Changes
from recording_storage.store.health import REGISTRY
from recording_storage.store.internal.identity import ACCEPTED_SECONDS, Authenticator
from recording_storage.store.internal.kube_identity import AUDIENCE
from recording_storage.store.services.accounts import create_account
from tests.cluster.accounts import (
    create_pod,
    create_service_account,
    review_token,
    service_account_kubeconfig,
    service_account_token,
)
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube
from tests.cluster.namespaces import create_namespace, delete_namespace
from tests.store_internal.messages import SECRET, batch, enable, new_credential, new_spool, recording, sync_request
from tests.store_internal.servers import Live, body, opened_store, serving
from tests.waiting import SOON, eventually

pytestmark = pytest.mark.slow

OPERATOR = "operator"


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(cluster: Cluster, namespace: str, clock: Clock, tmp_path: Path) -> Iterator[Live]:
    """A store that asks the cluster, and takes the service account `operator` of `namespace` for the operator."""
    store = opened_store(
        f"sqlite:///{tmp_path / 'store.db'}",
        tmp_path,
        kubeconfig=cluster.kubeconfig,
        operator_service_account=f"{namespace}:{OPERATOR}",
    )
    with serving(store) as found:
        authenticator = found.app.state.authenticator
        assert isinstance(authenticator, Authenticator)
        authenticator._clock = clock
        yield found
    store.close()


@pytest.fixture
def tenant(kube: Kube) -> Iterator[Callable[..., str]]:
    """Makes tokens of a pod in a namespace, which it makes, too."""
    made: list[str] = []

    def token(name: str, *, audience: str | None = AUDIENCE, pod: str | None = "recorder") -> str:
        full = f"{name}-{os.getpid()}"
        if full not in made:
            made.append(full)
            create_namespace(kube, full)
        create_service_account(kube, namespace=full, name="media")
        if pod is not None:
            create_pod(kube, namespace=full, name=pod, service_account="media")
        return service_account_token(kube, namespace=full, name="media", audience=audience, pod=pod)

    yield token
    for full in made:
        delete_namespace(kube, full)


def uid_of(kube: Kube, name: str) -> str:
    uid: str = kube.get("v1", "Namespace", f"{name}-{os.getpid()}")["metadata"]["uid"]
    return uid


def bound_account(live: Live, uid: str, *, external_id: str = "e") -> OpenedAccount:
    """An account with a credential, bound to the namespace."""
    with live.client() as admin:
        answer = admin.put(f"/accounts:by-external-id/{external_id}", content=body(OpenAccount(friendly_name="f")))
        account = OpenedAccount.from_json(answer.content)
        proof = {"namespace": "n", "external_id": external_id}
        assert admin.put(f"/accounts/{account.account_sid}/bindings/{uid}", json=proof).is_success
    enable(live.store, account.account_sid, credential_sid=new_credential(live.store, account.account_sid))
    return account


def sync(http: httpx.Client, *accounts: str) -> httpx.Response:
    return http.post(f"/uploaders/{new_spool()}/sync", content=body(sync_request(*accounts)))


def plans(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return list(SyncResponse.from_json(answer.content).plans or {})


def test_a_pod_of_a_bound_namespace_gets_the_plan(live: Live, kube: Kube, tenant: Callable[..., str]) -> None:
    token = tenant("media")
    account = bound_account(live, uid_of(kube, "media"))
    with live.client(token) as http:
        answer = sync(http)
        assert plans(answer) == [account.account_sid]
        assert SECRET.get_secret_value() in answer.text
    with live.client() as admin:
        uploader = admin.get(f"/accounts/{account.account_sid}/uploaders").json()["uploaders"][0]
    assert (uploader["namespace"], uploader["pod"]) == (f"media-{os.getpid()}", "recorder")


def test_a_namespace_that_writes_anothers_sid_gets_nothing_of_it(
    live: Live, kube: Kube, tenant: Callable[..., str]
) -> None:
    tenant("media")
    account = bound_account(live, uid_of(kube, "media"))
    mine = bound_account(live, uid_of_new(tenant, kube, "thief"), external_id="thief")
    with live.client(tenant("thief")) as http:
        answer = sync(http, account.account_sid)
        assert plans(answer) == []
        assert SECRET.get_secret_value() not in answer.text
        assert plans(sync(http, account.account_sid, mine.account_sid)) == [mine.account_sid]
        reported = http.post("/recordings:batch", content=batch(new_spool(), recording(account.account_sid)))
        assert [r.status for r in BatchResponse.from_json(reported.content).results] == [403]
        media = f"/accounts/{account.account_sid}/recordings/{recording(account.account_sid).sid}/media"
        assert http.head(media).status_code == 403
        bindings = f"/accounts/{account.account_sid}/bindings/{uid_of(kube, 'thief')}"
        assert http.put(bindings, json={"namespace": "thief", "external_id": "e"}).status_code == 403


def test_a_spool_waits_for_its_assignment_and_no_other_namespace_can_name_it(
    live: Live, kube: Kube, tenant: Callable[..., str]
) -> None:
    token, thief = tenant("media"), tenant("thief")
    account = bound_account(live, uid_of(kube, "media"))
    own = bound_account(live, uid_of(kube, "thief"), external_id="thief")
    spool, place = new_spool(), SpoolPlace(claim="calls", volume="spool", account=f"media-{os.getpid()}/acme")
    asked = body(sync_request(account.account_sid, place=place))
    pod = kube.get("v1", "Pod", "recorder", namespace=f"media-{os.getpid()}")
    with live.client(token) as http, live.client() as operator, live.client(thief) as other:
        assert plans(http.post(f"/uploaders/{spool}/sync", content=asked)) == []
        (found,) = Spools.from_json(operator.get("/spools").content).spools
        assert (found.namespace_uid, found.pod_uid) == (uid_of(kube, "media"), pod["metadata"]["uid"])
        assert (found.place, found.standing) == (place, SpoolStanding.UNASSIGNED)
        wanted = AssignSpool(
            namespace_uid=found.namespace_uid, claim=place.claim, account_sids=[account.account_sid], label="x"
        )
        assert operator.put(f"/spools/{spool}", content=body(wanted)).is_success
        assert plans(http.post(f"/uploaders/{spool}/sync", content=asked)) == [account.account_sid]
        # its id, its claim, its account
        refused = other.post(f"/uploaders/{spool}/sync", content=asked)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        answer = other.post(f"/uploaders/{new_spool()}/sync", content=asked)
        assert plans(answer) == []
        assert SECRET.get_secret_value() not in answer.text + refused.text
        mine = body(sync_request(own.account_sid, account.account_sid))
        assert plans(other.post(f"/uploaders/{new_spool()}/sync", content=mine)) == [own.account_sid]


def uid_of_new(tenant: Callable[..., str], kube: Kube, name: str) -> str:
    tenant(name)
    return uid_of(kube, name)


@pytest.mark.parametrize("audience", [None, "another"])
def test_a_token_for_another_audience_is_refused(
    live: Live, kube: Kube, tenant: Callable[..., str], audience: str | None
) -> None:
    token = tenant("media", audience=audience)
    bound_account(live, uid_of(kube, "media"))
    with live.client(token) as http:
        answer = sync(http)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert token not in answer.text


def test_a_token_that_no_pod_holds_is_refused(live: Live, kube: Kube, tenant: Callable[..., str]) -> None:
    token = tenant("media", pod=None)
    bound_account(live, uid_of(kube, "media"))
    with live.client(token) as http:
        answer = sync(http)
    assert answer.status_code == 401
    assert "pod" in answer.json()["message"]


@pytest.mark.slow  # the API server itself believes a token for ten seconds
def test_a_deleted_pods_token_is_good_for_seconds_at_most(
    live: Live, kube: Kube, tenant: Callable[..., str], clock: Clock
) -> None:
    token = tenant("media")
    account = bound_account(live, uid_of(kube, "media"))
    with live.client(token) as http:
        assert plans(sync(http)) == [account.account_sid]
        delete_pod(kube, token)
        assert plans(sync(http)) == [account.account_sid]
        clock.now += 5
        assert sync(http).status_code == 401


def test_a_long_poll_of_a_deleted_pod_gets_nothing_more(
    *,
    live: Live,
    kube: Kube,
    tenant: Callable[..., str],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = tenant("media")
    account = bound_account(live, uid_of(kube, "media"))
    spool = f"/uploaders/{new_spool()}/sync"
    waits = threading.Event()
    wait = Changes.wait

    async def noted(self: Changes, *args: Any, **kwargs: Any) -> bool:
        waits.set()
        return await wait(self, *args, **kwargs)

    with live.client(token) as http, ThreadPoolExecutor(1) as pool:
        known = SyncResponse.from_json(http.post(spool, content=body(sync_request())).content).etag
        monkeypatch.setattr(Changes, "wait", noted)
        answer = pool.submit(http.post, spool, content=body(sync_request(known=known, wait_seconds=60)))
        assert waits.wait(SOON)
        delete_pod(kube, token)
        clock.now += ACCEPTED_SECONDS
        enable(live.store, account.account_sid, credential_sid=new_credential(live.store, account.account_sid))
        live.store.changes.announce(account.account_sid)
        refused = answer.result(20)
    assert refused.status_code == 401
    assert SECRET.get_secret_value() not in refused.text


def delete_pod(kube: Kube, token: str) -> None:
    """Give back when the API server itself does not believe the pod's token any more, ten seconds later."""
    path = f"/api/v1/namespaces/media-{os.getpid()}/pods/recorder"
    kube.request("DELETE", path, {"gracePeriodSeconds": 0})
    eventually(
        lambda: not review_token(kube, token, audience=AUDIENCE).get("authenticated"), what="the token is refused"
    )


def test_a_busy_uploader_costs_one_review_in_five_seconds(
    live: Live, kube: Kube, tenant: Callable[..., str], clock: Clock
) -> None:
    token = tenant("media")
    bound_account(live, uid_of(kube, "media"))
    before = reviews()
    with live.client(token) as http, ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert {answer.status_code for answer in pool.map(lambda _: sync(http), range(16))} == {200}
        assert reviews() - before == 1
        clock.now += 5
        sync(http)
        assert reviews() - before == 2


def reviews() -> float:
    return REGISTRY.get_sample_value("recording_storage_store_token_reviews_total", {"result": "accepted"}) or 0.0


def test_a_namespace_made_anew_under_the_same_name_is_not_bound(
    live: Live, kube: Kube, tenant: Callable[..., str]
) -> None:
    old = tenant("media")
    account = bound_account(live, uid_of(kube, "media"))
    with live.client(old) as http:
        assert plans(sync(http)) == [account.account_sid]
    name = f"media-{os.getpid()}"
    delete_namespace(kube, name)
    create_namespace(kube, name)
    # At once: what is remembered of the old one must not serve the new one.
    with live.client(tenant("media")) as http:
        answer = sync(http, account.account_sid)
    assert plans(answer) == []
    assert SECRET.get_secret_value() not in answer.text


def test_unbinding_ends_it(live: Live, kube: Kube, tenant: Callable[..., str]) -> None:
    token = tenant("media")
    uid = uid_of(kube, "media")
    account = bound_account(live, uid)
    with live.client(token) as http, live.client() as admin:
        assert plans(sync(http)) == [account.account_sid]
        admin.delete(f"/accounts/{account.account_sid}/bindings/{uid}")
        assert plans(sync(http, account.account_sid)) == []


def test_the_named_service_account_is_the_operator(
    live: Live, kube: Kube, namespace: str, tenant: Callable[..., str]
) -> None:
    create_service_account(kube, namespace=namespace, name=OPERATOR)
    create_pod(kube, namespace=namespace, name="operator-0", service_account=OPERATOR)
    token = service_account_token(kube, namespace=namespace, name=OPERATOR, audience=AUDIENCE, pod="operator-0")
    account = create_account(live.store, friendly_name="a")
    with live.client(token) as http:
        assert http.get(f"/accounts/{account.sid}").status_code == 200
        assert plans(sync(http, account.sid)) == []
    with live.client(tenant("media")) as http:
        assert http.get(f"/accounts/{account.sid}").status_code == 403


def test_least_rights_of_the_stores_own_identity(
    *,
    cluster: Cluster,
    kube: Kube,
    namespace: str,
    tenant: Callable[..., str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without the right to create TokenReviews it says so, as a fault of its own; with it, that and namespaces do."""
    own = service_account_kubeconfig(cluster, namespace=namespace, name="store")
    store = opened_store(f"sqlite:///{tmp_path / 'store.db'}", tmp_path, kubeconfig=own)
    token = tenant("media")
    role = f"store-{namespace}"
    try:
        with serving(store) as live:
            account = bound_account(live, uid_of(kube, "media"))
            with live.client(token) as http:
                refused = sync(http)
                assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
                assert "tokenreviews" in caplog.text
                assert refused.headers["Retry-After"]
                kube.apply(_rights(role, namespace))
                # the API server's authorizer hears of new rights a little later
                eventually(lambda: sync(http).status_code == HTTPStatus.OK, what="the store has the rights")
                assert plans(sync(http)) == [account.account_sid]
    finally:
        for kind in ("ClusterRoleBinding", "ClusterRole"):
            kube.delete("rbac.authorization.k8s.io/v1", kind, role)
        store.close()


def _rights(role: str, namespace: str) -> list[dict[str, object]]:
    group = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
    ]
    return [
        {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "store", "namespace": namespace}],
        },
    ]
