"""A fault of the operator's own is seen at the object and in the metrics; it tells no value and holds up nothing."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

import pytest
from prometheus_client import REGISTRY

from recording_storage.controller.cluster.kube import KubeError
from recording_storage.controller.core.decision import Decision
from recording_storage.controller.core.verdicts import Stalled, Verdict
from recording_storage.controller.kinds.deletion import Watched
from recording_storage.controller.reconcile import FINALIZER
from tests.controller.one_look import NOW, ApiServer, Document, Told, Written, item, look

SECRET = "AKIA-not-for-anybody"


def defects() -> float:
    return REGISTRY.get_sample_value("recording_storage_operator_defects_total", {"kind": "RecordingAccount"}) or 0.0


def refused(**status: str) -> Verdict:
    verdict = Stalled("ApiKeyRefused", "no")
    verdict.status = dict(status)
    return verdict


@pytest.mark.parametrize(
    ("looked", "named"),
    [
        (Decision(status={"accountSid": SECRET}), "accountSid"),
        (Decision(verdict=None, status={"boundNamespaces": [{"name": SECRET.upper()}]}), "boundNamespaces"),
        (refused(apiKeySid=SECRET), "apiKeySid"),
        (KeyError(SECRET), "KeyError"),
        (ZeroDivisionError(SECRET), "ZeroDivisionError"),
    ],
)
async def test_a_fault_in_a_look_is_a_condition(
    looked: Decision[str] | Exception, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    before, server = defects(), ApiServer(item())
    with caplog.at_level(logging.ERROR):
        outcome = await look(server, Written(looked))
    ready = server.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "OperatorDefect")
    assert named in ready["message"]
    assert SECRET not in str(server.item) + caplog.text
    assert "test_defects" in caplog.text or "reconcile.py" in caplog.text, "the log says where"
    assert defects() == before + 1
    assert outcome.after is not None


class Faulty(Written):
    """One of its methods that are not a look itself has a fault."""

    def __init__(self, method: str) -> None:
        super().__init__(Decision(message="fine"))
        setattr(self, method, self._fault)

    def _fault(self, *_: object) -> NoReturn:
        raise KeyError(SECRET)


@pytest.mark.parametrize("method", ["changes", "interval", "suspended"])
async def test_a_fault_beside_a_look_is_a_condition_and_no_traceback_alone(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    before, server, told = defects(), ApiServer(item()), Told()
    outcome = await look(server, Faulty(method), told=told)
    assert server.condition("Ready")["reason"] == "OperatorDefect"
    assert "KeyError" in server.condition("Ready")["message"]
    assert "OperatorDefect" in told.reasons
    assert SECRET not in str(server.item) + caplog.text
    assert defects() == before + 1
    assert outcome.after is not None


def too_long(body: Document) -> KubeError | None:
    return KubeError(422, "Invalid", "status.accountSid: too long") if "accountSid" in body.get("status", {}) else None


def all_of_it(body: Document) -> KubeError | None:
    return KubeError(422, "Invalid", "denied") if "status" in body else None


async def test_a_status_that_the_api_server_does_not_take_is_told_with_the_conditions_alone() -> None:
    server = ApiServer(item(), refuse=too_long)
    await look(server, Written(Decision(status={"accountSid": f"AC{'1' * 32}"}, message="fine")))
    assert server.condition("Ready")["reason"] == "OperatorDefect"
    assert "status.accountSid: too long" in server.condition("Ready")["message"]


@pytest.mark.parametrize("refuse", [all_of_it])
async def test_where_nothing_is_taken_the_queue_hears_of_it(
    refuse: Callable[[Document], KubeError | None],
) -> None:
    with pytest.raises(KubeError, match="denied"):
        await look(ApiServer(item(), refuse=refuse), Written(Decision(message="fine")))


async def test_a_fault_holds_no_deletion_for_longer_than_an_hour() -> None:
    asked, passed = NOW - timedelta(minutes=59), 0.0
    server, told, watched = ApiServer(item(deletionTimestamp=asked.isoformat())), Told(), Watched(lambda: passed)
    await look(server, Written(KeyError("x")), told=told, watched=watched)
    assert FINALIZER in server.item["metadata"]["finalizers"]
    assert "recordingstorage.dev/abandon=true" in server.condition("Ready")["message"]

    passed = 3600.0
    await look(server, Written(KeyError("x")), told=told, now=NOW + timedelta(minutes=2), watched=watched)
    assert FINALIZER not in server.item["metadata"]["finalizers"]
    assert "Abandoned" in told.reasons
