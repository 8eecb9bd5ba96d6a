"""A search for what earlier attempts have left decides about no upload: not every server can list them."""

import pytest

from recording_storage.s3.probe import PROBE_NAME
from tests.field.actions import lose, refuse, reset
from tests.field.exchange import Action, Exchange, Moment, Operation, is_recording
from tests.field.integrity import Check, Vouching
from tests.field.server import FieldBucket, FieldServer
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


def test_what_was_completed_is_found_though_another_value_vouches_by_then(
    field: FieldServer, field_spool: SpoolFolder
) -> None:
    """Killed before the completion's answer was journalled."""
    field_spool.put("a.mkv", 9 * MIB)
    assert field_spool.once(fault="after-complete").returncode < 0
    field.vouching = Vouching(md5=Check.CHECK)
    finished = field_spool.once()
    assert finished.returncode == 0, finished.stderr
    field_spool.check_all_stored()


@pytest.mark.parametrize("reply", [refuse(403, "AccessDenied"), refuse(500, "InternalError"), refuse(501)])
def test_a_file_that_has_changed_is_stored_though_its_earlier_upload_can_t_be_aborted(
    field: FieldServer, field_spool: SpoolFolder, reply: Action
) -> None:
    field_spool.put("a.mkv", 17 * MIB)
    assert field_spool.once(fault="after-part:2").returncode < 0
    field_spool.put("a.mkv", 17 * MIB + 5, seed=99)
    field.on(Operation.ABORT, reply, when=is_recording)
    finished = field_spool.once()
    assert finished.returncode == 0, finished.stderr
    field.mend()
    field_spool.put("b.wav")
    finished = field_spool.once()  # aborts it, too
    assert finished.returncode == 0, finished.stderr
    field_spool.check_all_stored()


def test_what_a_small_file_has_begun_is_aborted_though_others_go_in_one_request_by_then(
    field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder
) -> None:
    """The answer to its CreateMultipartUpload is lost; then the others find out that single requests are compared."""
    first: list[str] = []

    def is_the_first_s(exchange: Exchange) -> bool:
        if PROBE_NAME in exchange.key:
            return False
        first[:] = first or [exchange.key]
        return exchange.key == first[0]

    lost = field.on(Operation.BEGIN, lose, at=Moment.ANSWER, times=1, when=is_the_first_s)
    for number in range(5):
        field_spool.put(f"{number}.wav", 3_000)
    finished = field_spool.once()
    assert finished.returncode == 0, finished.stderr
    assert lost.acted == 1
    assert field_bucket.objects[first[0]].parts == 1
    field_spool.check_all_stored()


@pytest.mark.parametrize("operation", [Operation.LIST_UPLOADS, Operation.ABORT])
def test_a_search_in_vain_is_made_again(
    field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder, operation: Operation
) -> None:
    begun = field.on(Operation.BEGIN, lose, at=Moment.ANSWER, times=1, when=is_recording)
    in_vain = field.on(operation, reset, times=2, when=lambda _: begun.acted == 1)
    field_spool.put("a.mkv", 9 * MIB)
    finished = field_spool.once()
    assert finished.returncode == 0, finished.stderr
    assert (begun.acted, in_vain.acted) == (1, 2)
    field_spool.check_all_stored()
    assert field_bucket.uploads() == []


def test_an_abort_in_vain_is_made_again(
    field: FieldServer, field_bucket: FieldBucket, field_spool: SpoolFolder
) -> None:
    """What is given up last: no other connection comes by which it would be aborted."""
    field.on(Operation.COMPLETE, refuse(412, "PreconditionFailed"), when=is_recording)
    in_vain = field.on(Operation.ABORT, reset, times=2, when=is_recording)
    field_spool.put("a.mkv", 9 * MIB)
    assert field_spool.once().returncode == 3
    assert in_vain.acted == 2
    assert field_bucket.uploads() == []


def test_what_vouches_is_told_by_status(field_spool: SpoolFolder) -> None:
    field_spool.put("b.wav", 3_000)
    with field_spool.running() as running:
        running.await_states({"b.wav": "released"})
        (destination,) = running.uploader.view.status().destinations
    assert destination.vouches_by == "CRC64NVME"
