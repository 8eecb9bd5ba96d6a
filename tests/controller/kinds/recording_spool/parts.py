"""RecordingSpools, and what the store has heard of them, as tests want them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from recording_storage.domain.states import RecordingState
from recording_storage.protocol.spools import SpoolInfo, SpoolStanding
from recording_storage.protocol.sync import SpoolPlace, SpoolReport, Tally
from recording_storage.resources import RecordingSpool

MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACCOUNT = "AC" + "1" * 32
SPOOL = "11111111-2222-3333-4444-555555555555"


def spool(name: str = "calls", *, made: bool = False, sub_path: str = "", **spec: Any) -> RecordingSpool:
    labels = {"recordingstorage.dev/made-for": "pod"} if made else {}
    volume = {"claimName": "calls", "subPath": sub_path}
    return RecordingSpool.parse(
        {
            "kind": "RecordingSpool",
            "metadata": {"name": name, "namespace": "media", "uid": f"uid-{name}", "labels": labels},
            "spec": {"volume": volume, "accountRef": {"name": "acme"}, **spec},
        }
    )


def report(**values: Any) -> SpoolReport:
    states = {RecordingState(name): Tally(count=count, size=count) for name, count in values.pop("states", {}).items()}
    return SpoolReport(uploader_version="1.2", started_at=MOMENT, states=states, **values)


def info(standing: SpoolStanding = SpoolStanding.UNASSIGNED, *, account: str = "acme", **values: Any) -> SpoolInfo:
    place = SpoolPlace(
        claim=values.pop("claim", "calls"), sub_path=values.pop("sub_path", ""), volume="spool", account=account
    )
    assigned = standing is SpoolStanding.ASSIGNED
    defaults: dict[str, Any] = {
        "spool_id": SPOOL,
        "namespace_uid": "uid-media",
        "namespace": "media",
        "pod": "recorder-0",
        "pod_uid": "uid-pod",
        "account_sids": [ACCOUNT] if assigned else [],
        "label": "media/calls" if assigned else "",
        "first_seen": MOMENT,
        "last_seen": MOMENT,
        "live": True,
    }
    return SpoolInfo(place=place, standing=standing, **(defaults | values))


def later(seconds: float) -> datetime:
    return MOMENT + timedelta(seconds=seconds)
