"""A search for what earlier attempts have left decides about no upload: not every server can list them."""

import pytest

from tests.field.actions import refuse
from tests.field.exchange import Action, Operation
from tests.field.server import FieldServer
from tests.uploader.spools import MIB, SpoolFolder


@pytest.mark.parametrize(
    "reply",
    [refuse(501), refuse(404), refuse(405, "MethodNotAllowed"), refuse(400), refuse(403, "AccessDenied"), refuse(500)],
)
def test_all_is_stored_where_uploads_can_t_be_listed(
    field: FieldServer, field_spool: SpoolFolder, reply: Action
) -> None:
    field.on(Operation.LIST_UPLOADS, reply)
    field.on(Operation.BEGIN, refuse(503, "ServiceUnavailable"), skip=1, times=1)
    field_spool.put("a.mkv", 9 * MIB)
    field_spool.put("b.wav", 3_000)
    finished = field_spool.once()
    assert finished.returncode == 0, finished.stderr
    field_spool.check_all_stored()


def test_what_vouches_is_told_by_status(field_spool: SpoolFolder) -> None:
    field_spool.put("b.wav", 3_000)
    with field_spool.running() as running:
        running.await_states({"b.wav": "released"})
        (destination,) = running.uploader.view.status().destinations
    assert destination.vouches_by == "CRC64NVME"
