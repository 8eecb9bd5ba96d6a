"""A limit of parts that is met in the middle of an upload is learnt, and larger ones are sent."""

import sqlite3

import pytest

from recording_storage.s3.probe import PROBE_NAME
from recording_storage.uploader.transfer import multipart, resume
from tests.field.actions import refuse
from tests.field.exchange import Action, Operation
from tests.field.server import FieldBucket, FieldServer
from tests.uploader.spools import MIB, SpoolFolder


@pytest.mark.parametrize(
    "refusal",
    [
        refuse(400, "InvalidArgument", "too many pieces"),
        refuse(400, "TooManyParts"),
        refuse(400, "XVendorPartLimit"),
        refuse(400),
        refuse(422, body=b"no more of them\n"),
    ],
)
def test_larger_parts_go_on_and_nothing_is_parked(
    field: FieldServer,
    field_bucket: FieldBucket,
    field_spool: SpoolFolder,
    monkeypatch: pytest.MonkeyPatch,
    refusal: Action,
) -> None:
    monkeypatch.setattr(resume, "PART_SIZE", MIB)
    monkeypatch.setattr(multipart, "_SURELY_TAKEN", 2)
    field_bucket.storage.min_part = 0
    field.on(
        Operation.PART,
        refusal,
        when=lambda exchange: PROBE_NAME not in exchange.key and exchange.part_number > 5,
    )
    field_spool.put("a.mkv", 9 * MIB)
    with field_spool.running() as running:
        running.await_states({"a.mkv": "released"})
    field_spool.check_all_stored()
    (one,) = field_bucket.objects.values()
    assert one.parts == 5
    with sqlite3.connect(field_spool.root / ".recording-storage" / "journal.db") as journal:
        assert journal.execute("SELECT most_parts FROM destinations").fetchone() == (5,)
