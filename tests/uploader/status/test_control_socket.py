"""The control socket: answers, errors, stale sockets, long paths, many at once."""

import socket
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.status.control_socket import (
    SOCKET_NAME,
    ControlError,
    ControlServer,
    NobodyListensError,
    RequestError,
    ask,
)


def answer(request: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    if request.get("do") == "count":
        return [{"n": n} for n in range(request["to"])]
    if request.get("do") == "late":
        return _breaks_off()
    if request.get("do") == "full":
        raise JournalError("the journal takes no change: disk full")
    raise RequestError(f"unknown request {request.get('do')}")


def _breaks_off() -> Iterator[Mapping[str, Any]]:
    yield {"n": 1}
    raise RequestError("it broke in the middle")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    server = ControlServer(tmp_path, handler=answer)
    assert server.start()
    yield tmp_path
    server.close()


def test_the_answer_has_every_line(folder: Path):
    assert [line["n"] for line in ask(folder, {"do": "count", "to": 2000})] == list(range(2000))


def test_an_error_reaches_the_asker_in_words(folder: Path):
    with pytest.raises(ControlError, match="unknown request nonsense"):
        list(ask(folder, {"do": "nonsense"}))


def test_a_journal_that_takes_no_change_is_told(folder: Path):
    with pytest.raises(ControlError, match="disk full"):
        list(ask(folder, {"do": "full"}))


def test_an_error_in_the_middle_is_no_complete_answer(folder: Path):
    lines = ask(folder, {"do": "late"})
    assert next(lines) == {"n": 1}
    with pytest.raises(ControlError, match="in the middle"):
        next(lines)


def test_a_line_that_is_no_json_is_answered(folder: Path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / SOCKET_NAME))
        client.sendall(b"{nonsense\n")
        assert b"one JSON object" in client.makefile("rb").readline()


def test_only_the_owner_may_connect(folder: Path):
    assert (folder / SOCKET_NAME).stat().st_mode & 0o777 == 0o600


def test_nobody_listens_is_told_apart(tmp_path: Path):
    with pytest.raises(NobodyListensError):
        list(ask(tmp_path, {"do": "count", "to": 1}))


def test_a_socket_that_a_killed_uploader_left_is_replaced(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET_NAME))
    with pytest.raises(NobodyListensError):
        list(ask(tmp_path, {"do": "count", "to": 1}))
    server = ControlServer(tmp_path, handler=answer)
    assert server.start()
    assert len(list(ask(tmp_path, {"do": "count", "to": 1}))) == 1
    server.close()
    assert not (tmp_path / SOCKET_NAME).exists()


def test_a_path_longer_than_a_socket_address_works(tmp_path: Path):
    folder = tmp_path / ("d" * 120) / ("e" * 120)
    folder.mkdir(parents=True)
    server = ControlServer(folder, handler=answer)
    assert server.start()
    assert len(list(ask(folder, {"do": "count", "to": 3}))) == 3
    server.close()


def test_many_commands_at_once_are_all_answered(folder: Path):
    with ThreadPoolExecutor(40) as pool:
        lengths = list(pool.map(lambda _: len(list(ask(folder, {"do": "count", "to": 200}))), range(80)))
    assert lengths == [200] * 80


def test_a_folder_that_takes_no_socket_is_no_obstacle(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert not ControlServer(tmp_path / "missing", handler=answer).start()
    assert "no socket" in caplog.text
