"""A pod's spool has the accounts that the operator has assigned it, where it was found, and no others."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from recording_storage.protocol.accounts import NewCommand, OpenAccount, OpenedAccount
from recording_storage.protocol.spools import AssignSpool, SpoolInfo, Spools, SpoolStanding
from recording_storage.protocol.sync import AssignmentState, CommandKind, SpoolPlace, SyncResponse
from recording_storage.store.context import Store
from recording_storage.store.internal import spools
from recording_storage.store.internal.kube_identity import ServiceAccount, TokenRefusedError
from tests.store_internal.messages import SECRET, enable, new_credential, new_spool, sync_request
from tests.store_internal.servers import Live, body, serving
from tests.store_internal.test_sync import Waiting

POD = ServiceAccount(namespace="media", namespace_uid="uid-media", name="sa", pod="recorder-0", pod_uid="uid-pod")
STRANGER = replace(POD, namespace="thief", namespace_uid="uid-thief", pod="thief-0", pod_uid="uid-thief-pod")
TOKENS = {"pod": POD, "pod again": replace(POD, pod_uid="uid-other"), "stranger": STRANGER}
CALLS = SpoolPlace(claim="calls", sub_path="a", volume="spool", account="acme")


class Pods:
    """A cluster that knows these tokens."""

    async def review(self, token: str) -> ServiceAccount:
        if token not in TOKENS:
            raise TokenRefusedError("unknown")
        return TOKENS[token]

    async def close(self) -> None:
        return


@pytest.fixture
def live(store: Store) -> Iterator[Live]:
    with serving(store, reviewer=Pods()) as found:
        yield found


def bound(live: Live, name: str, *, uid: str = POD.namespace_uid) -> str:
    """The sid of an account of the namespace, with a credential."""
    with live.client() as operator:
        answer = operator.put(f"/accounts:by-external-id/{name}", content=body(OpenAccount(friendly_name=name)))
        sid = OpenedAccount.from_json(answer.content).account_sid
        proof = {"namespace": "n", "external_id": name}
        assert operator.put(f"/accounts/{sid}/bindings/{uid}", json=proof).is_success
    enable(live.store, sid, credential_sid=new_credential(live.store, sid))
    return sid


class Uploader:
    def __init__(self, live: Live, *, token: str = "pod", spool_id: str = "", place: SpoolPlace | None = CALLS) -> None:
        self.spool_id = spool_id or new_spool()
        self.place = place
        self.http = live.client(token)
        self.known = ""

    def post(self, *accounts: str, **values: Any) -> httpx.Response:
        request = sync_request(*accounts, known=self.known, place=self.place, **values)
        return self.http.post(f"/uploaders/{self.spool_id}/sync", content=body(request))

    def sync(self, *accounts: str, **values: Any) -> SyncResponse:
        response = self.post(*accounts, **values)
        assert response.status_code == 200, response.text
        answer = SyncResponse.from_json(response.content)
        self.known = answer.etag
        return answer


def listed(live: Live, query: str = "") -> Spools:
    with live.client() as operator:
        return Spools.from_json(operator.get(f"/spools{query}").content)


def assign(live: Live, spool_id: str, *account_sids: str, **values: str) -> httpx.Response:
    given = {"namespace_uid": POD.namespace_uid, "claim": CALLS.claim, "sub_path": CALLS.sub_path, **values}
    wanted = AssignSpool(account_sids=list(account_sids), label="media/calls", **given)
    with live.client() as operator:
        return operator.put(f"/spools/{spool_id}", content=body(wanted))


def sole(live: Live, query: str = "") -> SpoolInfo:
    (found,) = listed(live, query).spools
    return found


def test_until_it_is_assigned_a_spool_gets_nothing_and_is_listed_with_what_its_pod_says(live: Live) -> None:
    sid = bound(live, "acme")
    uploader = Uploader(live)
    answer = uploader.sync(sid)
    assert answer.plans == {}
    assert answer.assignment is not None
    assert (answer.assignment.state, answer.assignment.account_sid) == (AssignmentState.UNASSIGNED, None)
    with live.client() as operator:
        assert operator.get(f"/accounts/{sid}/uploaders").json() == {"uploaders": []}
    found = sole(live)
    assert (found.spool_id, found.standing, found.live) == (uploader.spool_id, SpoolStanding.UNASSIGNED, True)
    assert (found.namespace_uid, found.namespace, found.pod, found.pod_uid) == (
        POD.namespace_uid,
        POD.namespace,
        POD.pod,
        POD.pod_uid,
    )
    assert found.place == CALLS
    assert (found.account_sids, found.report) == ([], None)


def test_the_assignment_arrives_at_once_and_brings_the_plans_of_its_accounts_alone(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, beside = bound(live, "acme"), bound(live, "beside")
    uploader = Uploader(live)
    uploader.sync()
    waiting = Waiting(monkeypatch, uploader)  # type: ignore[arg-type] # it asks for `sync` alone
    assert assign(live, uploader.spool_id, mine).status_code == 200
    news = waiting.news()
    assert list(news.plans or {}) == [mine]
    assert news.assignment is not None
    assert (news.assignment.state, news.assignment.account_sid) == (AssignmentState.ASSIGNED, mine)
    assert uploader.sync(mine, beside).plans is None, "naming another account of the namespace is of no use"
    again = uploader.sync()
    assert (again.plans, again.assignment) == (None, None)
    found = sole(live)
    assert (found.standing, found.account_sids, found.label) == (SpoolStanding.ASSIGNED, [mine], "media/calls")
    assert found.report is not None
    assert found.report.uploader_version == "0.1.0"


def test_assigning_the_same_again_changes_nothing_and_others_is_news(live: Live) -> None:
    mine, beside = bound(live, "acme"), bound(live, "beside")
    uploader = Uploader(live)
    uploader.sync()
    first = assign(live, uploader.spool_id, mine)
    before = listed(live).revision
    assert assign(live, uploader.spool_id, mine).json()["account_sids"] == first.json()["account_sids"]
    assert listed(live).revision == before
    assert set(uploader.sync().plans or {}) == {mine}
    assert assign(live, uploader.spool_id, beside, mine).is_success
    changed = uploader.sync()
    assert set(changed.plans or {}) == {mine, beside}
    assert changed.assignment is not None
    assert changed.assignment.account_sid == beside


def test_removing_it_leaves_nothing_of_it_and_its_uploader_is_found_anew(live: Live) -> None:
    sid = bound(live, "acme")
    uploader = Uploader(live)
    uploader.sync()
    assign(live, uploader.spool_id, sid)
    assert uploader.sync().plans
    with live.client() as operator:
        command = NewCommand(kind=CommandKind.RETRY_ALL)
        assert operator.post(f"/accounts/{sid}/commands", content=body(command)).status_code == 201
        for _ in range(2):
            assert operator.delete(f"/spools/{uploader.spool_id}").status_code == 204
        assert operator.get(f"/accounts/{sid}/uploaders").json() == {"uploaders": []}
    assert listed(live).spools == []
    answer = uploader.sync()
    assert (answer.plans, answer.commands) == ({}, [])
    assert answer.assignment is not None
    assert answer.assignment.state is AssignmentState.UNASSIGNED
    assert sole(live).standing is SpoolStanding.UNASSIGNED


def test_only_changes_are_listed_since_a_revision(live: Live) -> None:
    sid = bound(live, "acme")
    one, two = Uploader(live), Uploader(live, place=CALLS.replace(claim="other"))
    one.sync()
    two.sync()
    assign(live, one.spool_id, sid)
    one.sync()
    revision = listed(live).revision
    for uploader in (one, two):
        uploader.sync()
    quiet = listed(live, f"?since={revision}")
    assert (quiet.revision, quiet.spools) == (revision, []), "to be heard of again is no change"
    one.sync(report={"free_bytes": 7})
    changed = listed(live, f"?since={revision}")
    assert changed.revision > revision
    assert [each.spool_id for each in changed.spools] == [one.spool_id]
    assert changed.spools[0].report is not None
    assert changed.spools[0].report.free_bytes == 7
    Uploader(live, token="pod again", spool_id=two.spool_id, place=two.place).sync()
    assert [each.pod_uid for each in listed(live, f"?since={changed.revision}").spools] == ["uid-other"]


def test_another_namespace_that_names_the_spool_gets_nothing(live: Live) -> None:
    sid, own = bound(live, "acme"), bound(live, "thief", uid=STRANGER.namespace_uid)
    uploader = Uploader(live)
    uploader.sync()
    assign(live, uploader.spool_id, sid)
    uploader.sync()
    for place in (CALLS, None):
        thief = Uploader(live, token="stranger", spool_id=uploader.spool_id, place=place)
        refused = thief.post(sid)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert SECRET.get_secret_value() not in refused.text
        assert POD.namespace not in refused.json()["message"].split()
    found = sole(live)
    assert (found.namespace_uid, found.pod) == (POD.namespace_uid, POD.pod)
    elsewhere = {"namespace_uid": STRANGER.namespace_uid}
    assert assign(live, uploader.spool_id, own, **elsewhere).status_code == 409
    assert uploader.sync().plans is None


def test_another_namespace_that_names_the_claim_gets_nothing(live: Live) -> None:
    sid = bound(live, "acme")
    bound(live, "thief", uid=STRANGER.namespace_uid)
    uploader = Uploader(live)
    uploader.sync()
    assign(live, uploader.spool_id, sid)
    thief = Uploader(live, token="stranger")
    assert thief.sync(sid).plans == {}
    assert assign(live, thief.spool_id, sid, namespace_uid=STRANGER.namespace_uid).status_code == 403
    assert thief.sync(sid).plans is None


def test_a_spool_row_keeps_its_namespace_whoever_reports(live: Live) -> None:
    sid = bound(live, "acme")
    uploader = Uploader(live, place=None)
    assert list(uploader.sync().plans or {}) == [sid], "a pod that names no place has its namespace's accounts"
    by_token = live.client(live.account_token(sid))
    assert by_token.post(f"/uploaders/{uploader.spool_id}/sync", content=body(sync_request())).status_code == 200
    assert Uploader(live, token="stranger", spool_id=uploader.spool_id, place=None).post().status_code == 409
    with live.client() as operator:
        (row,) = operator.get(f"/accounts/{sid}/uploaders").json()["uploaders"]
    assert row["namespace"] == POD.namespace


def test_an_accounts_token_is_an_assignment_in_itself(live: Live) -> None:
    sid = bound(live, "acme")
    with live.client(live.account_token(sid)) as http:
        answer = http.post(f"/uploaders/{new_spool()}/sync", content=body(sync_request(place=CALLS)))
    found = SyncResponse.from_json(answer.content)
    assert (list(found.plans or {}), found.assignment) == ([sid], None)
    assert listed(live).spools == []


def test_a_copy_with_the_same_id_takes_nothing(live: Live) -> None:
    sid = bound(live, "acme")
    first = Uploader(live)
    first.sync()
    assert assign(live, first.spool_id, sid).is_success
    copied = CALLS.replace(claim="restored")
    copy = Uploader(live, token="pod again", spool_id=first.spool_id, place=copied)
    assert copy.sync().plans == {}
    assert assign(live, first.spool_id, sid, claim="restored").status_code == 409
    standings = {each.place.claim: each.standing for each in listed(live, f"/{first.spool_id}").spools}
    assert standings == {"calls": SpoolStanding.ASSIGNED, "restored": SpoolStanding.ELSEWHERE}
    assert list(first.sync().plans or {}) == [sid]


def test_what_cannot_be_assigned_is_refused(live: Live) -> None:
    sid = bound(live, "acme")
    elsewhere = bound(live, "elsewhere", uid="uid-elsewhere")
    uploader = Uploader(live)
    assert assign(live, uploader.spool_id, sid).status_code == 404, "nobody has found it"
    uploader.sync()
    assert assign(live, uploader.spool_id, sid, claim="another").status_code == 404
    assert assign(live, uploader.spool_id, sid, elsewhere).status_code == 403
    with live.client() as operator:
        assert operator.put(f"/spools/{uploader.spool_id}", json={"account_sids": []}).status_code == 422
        assert operator.get("/spools?since=-1").status_code == 422
    assert Uploader(live).http.get("/spools").status_code == 403
    assert sole(live, f"/{uploader.spool_id}").standing is SpoolStanding.UNASSIGNED


def test_unbinding_takes_an_assigned_spools_plan(live: Live) -> None:
    sid = bound(live, "acme")
    uploader = Uploader(live)
    uploader.sync()
    assign(live, uploader.spool_id, sid)
    assert list(uploader.sync().plans or {}) == [sid]
    with live.client() as operator:
        operator.delete(f"/accounts/{sid}/bindings/{POD.namespace_uid}")
    assert uploader.sync().plans == {}


def test_a_namespace_has_room_for_so_many_spools(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "MAX_PLACES", 1)
    first = Uploader(live)
    first.sync()
    second = Uploader(live)
    refused = second.post()
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert first.post().status_code == 200
    monkeypatch.setattr(spools, "KEPT", timedelta(0))
    assert second.post().status_code == 200, "one that nobody has been heard of makes room"
    assert [each.spool_id for each in listed(live).spools] == [second.spool_id]
