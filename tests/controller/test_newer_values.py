"""What a newer definition may let through: whatever today's refuses, the operator finds words for it and a pause."""

import pytest

from recording_storage.controller.cluster.index import read_object
from recording_storage.controller.cluster.unreadable import Unread
from recording_storage.controller.core.keys import Key, Kind
from tests.controller import resources
from tests.controller.sites import Ground
from tests.resources.cases import TABLES
from tests.resources.manifest import ABSENT, Changes, changed

NAME = "subject"
LONGEST = 24 * 3600.0
META = {"metadata.namespace": "here", "metadata.resourceVersion": "1", "metadata.uid": "u"}


@pytest.mark.parametrize(
    ("table", "changes", "fault"),
    [
        ("settings", {"spec.interval": "1w"}, "spec.interval: must be a duration from 10s to 24h"),
        ("settings", {"spec.interval": "0s"}, "spec.interval: must be a duration from 10s to 24h"),
        (
            "settings",
            {"spec.upload.retryWindow": "2 fortnights"},
            "spec.upload.retryWindow: must be a duration from 1s",
        ),
        (
            "settings",
            {"spec.upload.denialGrace": "800h"},
            "spec.upload.denialGrace: must be a duration from 0s to 720h",
        ),
        (
            "settings",
            {"spec.awsStorage.serverSideEncryption": {"type": "KMS"}},
            "spec.awsStorage.serverSideEncryption: kmsKeyArn is required when type is KMS",
        ),
        ("spool", {"spec.completion.settle": "1w"}, "spec.completion.settle: must be a duration from 1s to 1h"),
        (
            "credential",
            {"spec.source.staticKeys": ABSENT},
            "spec.source: staticKeys is required when type is StaticKeys",
        ),
        ("key", {"spec.source": {"type": "Inline"}}, "spec.source: inline is required when type is Inline"),
        ("account", {"spec.store": {"type": "Remote"}}, "spec.store: endpoints is required when type is Remote"),
    ],
)
def test_a_value_of_a_later_version_is_named_and_not_repeated(table: str, changes: Changes, fault: str) -> None:
    item = changed(TABLES[table].good, META | changes)
    found = read_object(Kind(item["kind"]), item)
    assert isinstance(found, Unread)
    assert fault in found.fault
    assert "1w" not in found.fault
    assert "weeks" not in found.fault


@pytest.mark.parametrize("table", TABLES)
async def test_none_is_a_defect_or_looked_at_without_a_pause(ground: Ground, table: str) -> None:
    site = ground.site()
    site.apply_all()
    await site.rest()
    site.delete("RecordingSettings", "default")
    await site.rest()
    key = {"username": f"SK{'1' * 32}", "password": "of somebody"}
    site.cluster.apply(*(resources.secret(site.namespace, name, key) for name in ("key", f"{NAME}-api-key")))
    for case, changes, _ in TABLES[table].refused:
        item = changed(TABLES[table].good, changes)
        item["metadata"] = {"name": NAME, "namespace": site.namespace}
        site.cluster.apply(item)
        outcome = await site.life.look(Key(Kind(item["kind"]), site.namespace, NAME))  # fails where it is a defect
        assert outcome is not None, case
        assert outcome.after is not None, case
        assert 0.0 < outcome.after <= LONGEST, case
