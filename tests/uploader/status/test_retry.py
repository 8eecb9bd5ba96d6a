"""`retry` says what it does not move, and why."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from click.testing import CliRunner, Result

from recording_storage.cli.main import main
from recording_storage.s3.probe import PROBE_NAME
from recording_storage.uploader.status.control_socket import ControlServer
from recording_storage.uploader.status.requests import Inspection, LinkState
from tests.field.actions import refuse
from tests.field.exchange import Operation
from tests.field.server import FieldServer
from tests.uploader.spools import Running, SpoolFolder


@contextmanager
def served(field_spool: SpoolFolder) -> Iterator[Running]:
    """An uploader that answers commands."""
    with field_spool.running() as running:
        inspection = Inspection(running.uploader.view, link=lambda: LinkState(mode="alone", connected=False))
        control = ControlServer(field_spool.root / ".recording-storage", handler=inspection.answer)
        assert control.start()
        try:
            yield running
        finally:
            control.close()


def retry(field_spool: SpoolFolder, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["retry", "--spool", str(field_spool.root), *arguments])


def test_what_a_held_destination_keeps_from_being_tried_is_said_with_the_reason(
    field: FieldServer, field_spool: SpoolFolder
) -> None:
    field.on(set(Operation), refuse(404, "NoSuchBucket", "there is no such bucket"))
    field_spool.put("a.wav")
    with served(field_spool) as running:
        sid = running.await_states({"a.wav": "held"})["a.wav"].sid
        for named in ((), (sid,)):
            result = retry(field_spool, *named)
            assert result.exit_code == 3
            assert f"{sid}  a.wav: left, its destination is held until it works" in result.stdout
            assert "NoSuchBucket" in result.stdout
            assert "will be tried" not in result.stdout
            running.await_states({"a.wav": "held"})
        (item,) = json.loads(retry(field_spool, "--json").stdout)["unmoved"]
        assert (item["sid"], item["state"], item["remains"]) == (sid, "held", True)
        field.mend()
        retry(field_spool)
        running.await_states({"a.wav": "released"})


def test_what_is_parked_for_a_destination_that_works_is_tried(field: FieldServer, field_spool: SpoolFolder) -> None:
    too_large = field.on({Operation.PUT, Operation.BEGIN}, refuse(400, "EntityTooLarge", "too large"))
    too_large.when = lambda exchange: PROBE_NAME not in exchange.key
    field_spool.put("a.wav")
    with served(field_spool) as running:
        running.await_states({"a.wav": "parked"})
        field.mend()
        result = retry(field_spool)
        assert (result.exit_code, "1 recording will be tried again" in result.stdout) == (0, True)
        running.await_states({"a.wav": "released"})


def test_what_is_on_its_way_is_left_and_nothing_remains_to_be_done(field_spool: SpoolFolder) -> None:
    field_spool.put("a.wav")
    with served(field_spool) as running:
        sid = running.await_states({"a.wav": "released"})["a.wav"].sid
        result = retry(field_spool, sid)
        assert (result.exit_code, f"{sid}  a.wav: left, it is released" in result.stdout) == (0, True)
