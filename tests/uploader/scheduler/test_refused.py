"""A refusal that may be meant for the destination is asked back before a recording is blamed for it."""

import threading
from collections import Counter

import pytest

from recording_storage.uploader.scheduler.batching import Gathering
from recording_storage.uploader.scheduler.destination import Lane
from recording_storage.uploader.transfer.task import Outcome
from tests.field.actions import refuse, stall
from tests.field.exchange import Action, Answer, Exchange, Operation
from tests.field.server import FieldServer
from tests.uploader.scheduler.test_outage import put_many
from tests.uploader.spools import FakeClock, SpoolFolder
from tests.waiting import SOON, eventually

pytestmark = pytest.mark.slow

PLAIN = b"Client sent an HTTP request to an HTTPS server.\n"
REFUSALS = {
    "InvalidArgument": refuse(400, "InvalidArgument", "no"),
    "InvalidRequest": refuse(400, "InvalidRequest", "no"),
    "an unknown code": refuse(400, "NobodyKnowsThis", "no"),
    "plain text": refuse(400, body=PLAIN, headers={"content-type": "text/plain"}),
    "another 4xx": refuse(418),
    "a refusal of tags": refuse(400, "InvalidTag", "no"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_destination_that_refuses_everything_is_held_and_comes_back_by_itself(
    field: FieldServer, field_spool: SpoolFolder, name: str
) -> None:
    field.on(set(Operation), REFUSALS[name])
    names = put_many(field_spool)
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        running.await_states(dict.fromkeys(names, "held"))
        assert running.uploader.scheduler.idle.wait(SOON)
        asked = [one for one in field.seen(Operation.LIST_UPLOADS) if "-learn-" not in one.query["prefix"]]
        lessons = {one.key for one in field.seen(Operation.BEGIN) if "-learn-" in one.key}
        assert len(asked) + len(lessons) == 1, "once for all of them"
        field.mend()
        clock.advance(10)
        running.await_states(dict.fromkeys(names, "released"))
        assert running.uploader.parts.counters.values()["parked"] == 0
    field_spool.check_all_stored()


def test_a_refusal_that_comes_back_while_the_scheduler_is_at_work_is_settled_before_another_is_tried(
    field: FieldServer, field_spool: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, came_back, put = threading.Event(), threading.Event(), Gathering.put

    def put_and_tell(gathering: Gathering, lane: Lane, outcome: Outcome) -> bool:
        try:
            return put(gathering, lane, outcome)
        finally:
            came_back.set()

    monkeypatch.setattr(Gathering, "put", put_and_tell)
    held = field.on(Operation.BEGIN, stall(go_on), times=1)
    field.on(set(Operation), REFUSALS["InvalidArgument"])
    names = put_many(field_spool)
    with field_spool.running(clock=FakeClock()) as running:

        def while_at_work() -> None:  # what has come back by now was gathered before this
            go_on.set()
            assert came_back.wait(SOON)

        assert held.met.wait(SOON)
        running.uploader.scheduler.post(while_at_work)
        running.await_states(dict.fromkeys(names, "held"))
        assert len({one.key for one in field.seen(Operation.BEGIN)}) == 1, "the first one found out, alone"
        field.mend()
        running.uploader.view.retry(None)
        running.await_states(dict.fromkeys(names, "released"))
    field_spool.check_all_stored()


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused_alone_is_parked_and_the_others_go_on(
    field: FieldServer, field_spool: SpoolFolder, name: str
) -> None:
    bad: list[str] = []

    def refuse_the_first(exchange: Exchange) -> Answer | bytes | None:
        bad[:] = bad or [exchange.key]
        action: Action = REFUSALS[name]
        return action(exchange) if exchange.key == bad[0] else None

    field_spool.put("good.wav")
    with field_spool.running(clock=FakeClock()) as running:
        running.await_states({"good.wav": "released"})
        field.on(Operation.PUT, refuse_the_first)
        names = put_many(field_spool)
        running.uploader.intake.rescan()
        eventually(
            lambda: (
                Counter(one.state.value for one in running.recordings().values())
                == {"released": len(names), "parked": 1}
            ),
            what="the others are stored",
        )
        parked = [path for path, one in running.recordings().items() if one.object_key in bad]
        others = [path for path in names if path not in parked]
        assert len(others) == len(names) - 1
        field.mend()
        running.uploader.view.retry(None)
        running.await_states(dict.fromkeys(names, "released"))
    field_spool.check_all_stored()
