"""A namespace that merely writes another account's sid gets no plan, no key, and can't write there."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cluster.accounts import create_pod, create_service_account, service_account_token
from tests.cluster.namespaces import create_namespace, delete_namespace
from tests.journeys.harness import AUDIENCE
from tests.journeys.site import GROUP, Site
from tests.s3.servers import S3Server
from tests.waiting import SOON, eventually

POD = "recorder"


@pytest.fixture
def s3_server(moto_server: S3Server) -> S3Server:
    """Which one makes no difference to who may ask for what."""
    return moto_server


@pytest.fixture
def stranger(site: Site) -> Iterator[str]:
    """Another namespace, with a pod of its own."""
    name = f"{site.namespace}-stranger"
    create_namespace(site.kube, name)
    create_service_account(site.kube, namespace=name, name=POD)
    create_pod(site.kube, namespace=name, name=POD, service_account=POD)
    yield name
    delete_namespace(site.kube, name)


@pytest.fixture
def token(site: Site, stranger: str) -> str:
    """A real one of the right audience, bound to the stranger's pod."""
    return service_account_token(site.kube, namespace=stranger, name=POD, audience=AUDIENCE, pod=POD)


def test_a_written_sid_opens_nothing(site: Site, stranger: str, token: str, speech: list[Path]) -> None:
    site.open()
    recording = site.assert_stored(site.record("call.wav", speech[0].read_bytes()))
    _claim(site, stranger)

    plan = _call(site, token, "POST", f"/uploaders/{uuid.uuid4()}/sync", _sync(site.account_sid))
    assert plan.status_code == 200
    assert site.account_sid not in (plan.json()["plans"] or {})
    assert site.bucket.credentials.secret_key not in plan.text
    assert site.bucket.name not in plan.text

    spool = str(uuid.uuid4())
    report = _report(site.account_sid, sid=f"RE{uuid.uuid4().hex}")
    batch = _call(
        site, token, "POST", f"/uploaders/{spool}/recordings:batch", {"spool_id": spool, "recordings": [report]}
    )
    assert [each["status"] for each in batch.json()["results"]] == [403]
    media = f"/accounts/{site.account_sid}/recordings/{recording['sid']}/media"
    assert _call(site, token, "HEAD", media).status_code == 403
    for path in (f"/accounts/{site.account_sid}/uploaders", f"/accounts/{site.account_sid}/bindings"):
        assert _call(site, token, "GET", path).status_code == 403
    assert len(site.client.recordings.list()) == 1


def test_its_uploader_gets_no_plan_and_keeps_the_recording(
    site: Site, stranger: str, token: str, speech: list[Path]
) -> None:
    site.apply_all()
    site.wait_ready()
    _claim(site, stranger)
    site.token_file.write_text(token)  # the very same uploader, but in the stranger's pod
    site.start_uploader()

    take = site.record("call.wav", speech[0].read_bytes(), metadata={"account_sid": site.account_sid})

    waiting = site.wait_state(take, "waiting")
    assert waiting["error"]["code"] == "NoPlan"
    site.assert_kept(take)
    assert site.bucket.keys() == []


def test_a_token_that_is_not_a_pods_or_not_for_us_is_refused(site: Site, stranger: str) -> None:
    unbound = service_account_token(site.kube, namespace=stranger, name=POD, audience=AUDIENCE)
    foreign = service_account_token(site.kube, namespace=stranger, name=POD, pod=POD)
    for token in (unbound, foreign, "nonsense"):
        answer = _call(site, token, "POST", f"/uploaders/{uuid.uuid4()}/sync", _sync())
        assert answer.status_code == 401, token
        assert token not in answer.text


def _claim(site: Site, stranger: str) -> None:
    """The stranger's RecordingAccount names the other's sid; the operator must not take its word."""
    account = {
        "apiVersion": GROUP,
        "kind": "RecordingAccount",
        "metadata": {"name": "default"},
        "spec": {"store": {"type": "Bundled"}, "accountSid": site.account_sid},
    }
    site.kube.apply(account, namespace=stranger)

    def refused() -> bool:
        status = site.kube.get(GROUP, "RecordingAccount", "default", namespace=stranger).get("status", {})
        return any(
            each["type"] == "Ready" and each["status"] == "False" and each["reason"] == "AccountNotOurs"
            for each in status.get("conditions", [])
        )

    eventually(refused, what="the stranger's account is refused as not its own")


def _call(site: Site, token: str, method: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body)
    return httpx.request(
        method, f"{site.platform.internal_url}/internal/v1{path}", headers=headers, content=content, timeout=SOON
    )


def _sync(*accounts: str) -> dict[str, Any]:
    report = {"uploader_version": "0", "started_at": datetime.now(UTC).isoformat()}
    return {"protocol": "1.0", "report": report, "accounts": list(accounts)}


def _report(account_sid: str, *, sid: str) -> dict[str, Any]:
    return {
        "account_sid": account_sid,
        "sid": sid,
        "seq": 1,
        "product": "voice",
        "state": "found",
        "file": "call.wav",
        "size": 1,
        "found_at": datetime.now(UTC).isoformat(),
    }
