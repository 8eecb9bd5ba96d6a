"""What a spool costs the API server, by simulated time: nothing while nothing happens, and little while much does."""

import json
from datetime import datetime
from typing import Any

from recording_storage.controller.cluster.events import Events
from recording_storage.controller.cluster.index import Index, key_of, read_object
from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.keys import Kind
from recording_storage.controller.core.verdicts import Streak
from recording_storage.controller.kinds.recording_spool.act import INTERVAL, SpoolKind
from recording_storage.controller.kinds.recording_spool.decide import decide
from recording_storage.controller.kinds.recording_spool.observed import Action, Observed
from recording_storage.controller.kinds.recording_spool.seen import Seen
from recording_storage.controller.reconcile import Reconciler
from recording_storage.domain.states import RecordingState
from recording_storage.protocol.spools import SpoolInfo, Spools, SpoolStanding
from recording_storage.protocol.sync import ParkedSample, Tally
from recording_storage.resources import RecordingSpool
from tests.controller.kinds.recording_spool.parts import ACCOUNT, MOMENT, info, later, report, spool
from tests.controller.one_look import ApiServer, Told

POLL, HEARTBEAT, TEN_MINUTES = 2, 20, 600


class Decided(SpoolKind):
    """The real kind, whose observation is given."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    async def observe(self, resource: RecordingSpool) -> Observed:
        del resource
        found = self.seen.at("media", "calls", "")[0]
        return Observed(account_sid=ACCOUNT, found=found, heard=self.seen.heard(found))

    def decide(self, resource: RecordingSpool, observed: Observed) -> Decision[Action]:
        return decide(resource, observed)


class Watched:
    """One spool's resource at an API server, looked at as the operator does."""

    def __init__(self) -> None:
        document = spool().model_dump(mode="json", by_alias=True, exclude_none=True)
        document["metadata"] |= {"resourceVersion": "1", "generation": 1}
        document.pop("status", None)
        self.server, self.seen, self.events = ApiServer(document), Seen(), Told()
        self.moment = MOMENT

    def heard(self, found: SpoolInfo, *, at: datetime) -> bool:
        """Whether the operator looks for what the store says then."""
        return bool(self.seen.whole(Spools(revision=1, server_time=at, spools=[found])))

    async def look(self) -> None:
        index, stand_in, told = Index(), self.server, self.events
        resource = read_object(Kind.SPOOL, self.server.item)
        index.put(resource)
        kube: Any = stand_in
        events: Any = told
        reconciler = Reconciler(
            kube=kube,
            index=index,
            kinds={Kind.SPOOL: Decided(self.seen)},
            events=events,
            written=lambda *_: None,
            now=lambda: self.moment,
        )
        await reconciler.reconcile(key_of(resource), streak=Streak())

    @property
    def version(self) -> str:
        return str(self.server.item["metadata"]["resourceVersion"])


async def test_a_spool_where_nothing_happens_is_written_once_in_ten_minutes() -> None:
    watched = Watched()
    found = info(SpoolStanding.ASSIGNED, report=report(free_bytes=50, total_bytes=100, states={"parked": 3}))
    looks, versions = 0, set()
    for second in range(0, TEN_MINUTES + 1, POLL):
        watched.moment = later(second)
        beat = later(second // HEARTBEAT * HEARTBEAT)
        if watched.heard(found.replace(last_seen=beat), at=watched.moment) or second % INTERVAL == 0:
            await watched.look()
            looks += 1
        versions.add(watched.version)
    assert looks == 3, "at first, and at each interval"
    assert len(watched.server.patches) == 1
    assert len(versions) == 1


async def test_what_happens_is_written() -> None:
    watched = Watched()
    for number in (1, 1, 2):
        watched.heard(info(SpoolStanding.ASSIGNED, report=report(states={"parked": number})), at=watched.moment)
        await watched.look()
    assert len(watched.server.patches) == 2


async def test_a_status_with_a_hundred_thousand_parked_has_16_kib_at_most() -> None:
    watched = Watched()
    parked = [
        ParkedSample(
            sid=f"RE{number:032x}", file="f" * 1024, state=RecordingState.PARKED, error="é" * 4096, since=MOMENT
        )
        for number in range(20)
    ]
    found = info(
        SpoolStanding.ASSIGNED,
        pod="p" * 253,
        report=report(parked=parked, last_error="é" * 100_000, oldest=MOMENT, free_bytes=2**62, total_bytes=2**62),
    )
    assert found.report is not None
    states = dict.fromkeys(RecordingState, Tally(count=100_000, size=2**62))
    watched.heard(found.replace(report=found.report.replace(states=states)), at=watched.moment)
    await watched.look()
    status = watched.server.item["status"]
    assert status["parked"]["count"] == 100_000
    assert len(json.dumps(status, ensure_ascii=False).encode()) <= 16 * 1024


async def test_one_event_for_each_spool_and_reason_in_ten_minutes() -> None:
    moment = MOMENT
    nobody: Any = None
    events = Events(nobody, now=lambda: moment)
    one, other = (read_object(Kind.SPOOL, {**_document(name)}) for name in ("one", "other"))
    for second in range(0, 3 * TEN_MINUTES, 5):
        moment = later(second)
        for each in (one, other):
            reason = ("StoreUnavailable", "Ready")[second // 5 % 2]
            events.tell(each, Note(reason=reason, message=f"{second} recordings"))
    assert events._queue.qsize() == 2 * 2 * 3


def _document(name: str) -> dict[str, Any]:
    document = spool(name).model_dump(mode="json", by_alias=True, exclude_none=True)
    document["metadata"]["resourceVersion"] = "1"
    return document
