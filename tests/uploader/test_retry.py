"""`retry` says what it does not move, and why."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recording_storage.cli.main import main
from recording_storage.s3.verify import PROBE_NAME
from recording_storage.uploader.control import ControlServer
from recording_storage.uploader.inspection import Inspection, LinkState
from tests.field.actions import refuse
from tests.field.exchange import Operation
from tests.field.integrity import everything
from tests.field.server import FieldServer
from tests.uploader.spools import Running, SpoolFolder


@pytest.fixture
def server() -> Iterator[FieldServer]:
    with FieldServer() as started:
        started.vouching = everything()
        yield started


@pytest.fixture
def folder(tmp_path: Path, server: FieldServer) -> SpoolFolder:
    return SpoolFolder(tmp_path / "spool", server.bucket())  # type: ignore[arg-type]


@contextmanager
def served(folder: SpoolFolder) -> Iterator[Running]:
    """An uploader that answers commands."""
    with folder.running() as running:
        inspection = Inspection(running.uploader.view, link=lambda: LinkState(mode="alone", connected=False))
        control = ControlServer(folder.root / ".recording-storage", handler=inspection.answer)
        assert control.start()
        try:
            yield running
        finally:
            control.close()


def retry(folder: SpoolFolder, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["retry", "--spool", str(folder.root), *arguments])


def test_what_a_held_destination_keeps_from_being_tried_is_said_with_the_reason(
    server: FieldServer, folder: SpoolFolder
) -> None:
    server.on(set(Operation), refuse(404, "NoSuchBucket", "there is no such bucket"))
    folder.put("a.wav")
    with served(folder) as running:
        sid = running.await_states({"a.wav": "held"})["a.wav"].sid
        for named in ((), (sid,)):
            result = retry(folder, *named)
            assert result.exit_code == 3
            assert f"{sid}  a.wav: left, its destination is held until it works" in result.stdout
            assert "NoSuchBucket" in result.stdout
            assert "will be tried" not in result.stdout
            running.await_states({"a.wav": "held"})
        (item,) = json.loads(retry(folder, "--json").stdout)["unmoved"]
        assert (item["sid"], item["state"], item["remains"]) == (sid, "held", True)
        server.mend()
        retry(folder)
        running.await_states({"a.wav": "released"}, timeout=60)


def test_what_is_parked_for_a_destination_that_works_is_tried(server: FieldServer, folder: SpoolFolder) -> None:
    too_large = server.on({Operation.PUT, Operation.BEGIN}, refuse(400, "EntityTooLarge", "too large"))
    too_large.when = lambda exchange: PROBE_NAME not in exchange.key
    folder.put("a.wav")
    with served(folder) as running:
        running.await_states({"a.wav": "parked"})
        server.mend()
        result = retry(folder)
        assert (result.exit_code, "1 recording will be tried again" in result.stdout) == (0, True)
        running.await_states({"a.wav": "released"})


def test_what_is_on_its_way_is_left_and_nothing_remains_to_be_done(folder: SpoolFolder) -> None:
    folder.put("a.wav")
    with served(folder) as running:
        sid = running.await_states({"a.wav": "released"})["a.wav"].sid
        result = retry(folder, sid)
        assert (result.exit_code, f"{sid}  a.wav: left, it is released" in result.stdout) == (0, True)
