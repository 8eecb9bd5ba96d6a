"""A deadline is over when its time has passed here, too: the API server goes by another clock than the operator."""

from datetime import timedelta

import pytest

from recording_storage.controller.core.decision import Decision
from recording_storage.controller.core.verdicts import InUse, UsedBy
from recording_storage.controller.kinds.deletion import Watched, waited_for
from recording_storage.controller.reconcile import FINALIZER
from tests.controller.one_look import NOW, ApiServer, Told, Written, item, look

HOUR = 3600.0


@pytest.mark.parametrize(
    ("ahead", "watched", "waited"),
    [
        (0.0, 0.0, 0.0),
        (HOUR, HOUR, HOUR),
        (2 * HOUR, 0.1, 0.1),
        (2 * HOUR, HOUR, HOUR),
        (-2 * HOUR, 0.1, 0.1),
        (-2 * HOUR, HOUR, HOUR),
    ],
)
def test_as_much_has_passed_as_was_seen(ahead: float, watched: float, waited: float) -> None:
    assert waited_for(NOW, now=NOW + timedelta(seconds=ahead), watched=watched) == waited


def test_what_is_watched_begins_when_it_is_first_asked_for() -> None:
    time = 100.0
    watched = Watched(lambda: time)
    assert watched.seconds("a") == 0.0
    time = 107.0
    assert (watched.seconds("a"), watched.seconds("b")) == (7.0, 0.0)
    watched.forget("a")
    assert watched.seconds("a") == 0.0


@pytest.mark.parametrize("hours", [2, -2])
async def test_a_clock_that_is_wrong_by_hours_neither_hastens_a_deletion_nor_holds_it_up(hours: int) -> None:
    passed = 0.0
    watched, told = Watched(lambda: passed), Told()
    server = ApiServer(item(deletionTimestamp=NOW.isoformat()))
    wrong = NOW + timedelta(hours=hours)

    def used() -> Written:
        return Written(Decision(verdict=InUse("used", by=UsedBy.UPLOADERS)))

    await look(server, used(), now=wrong, watched=watched, told=told)
    assert FINALIZER in server.item["metadata"]["finalizers"]
    assert "Abandoned" not in told.reasons

    passed = HOUR
    await look(server, used(), now=wrong + timedelta(hours=1), watched=watched, told=told)
    assert FINALIZER not in server.item["metadata"]["finalizers"]
    assert "Abandoned" in told.reasons


@pytest.mark.parametrize(("others", "gone"), [([], "u1"), (["foregroundDeletion"], "")])
async def test_an_object_is_gone_once_nothing_else_holds_it(others: list[str], gone: str) -> None:
    server = ApiServer(item(deletionTimestamp=NOW.isoformat(), finalizers=[FINALIZER, *others]))
    outcome = await look(server, Written(Decision(finished=True)))
    assert server.item["metadata"]["finalizers"] == others
    assert outcome.gone == gone
