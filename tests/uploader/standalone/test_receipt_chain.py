"""The chain of receipts stays whole over crashes, full volumes and rotation, and shows every change."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from recording_storage.cli.main import main
from recording_storage.domain.states import Product, RecordingState
from recording_storage.uploader.core.recording import Identity, Recording, StoredFacts
from recording_storage.uploader.standalone import receipt_file
from recording_storage.uploader.standalone.receipt_chain import START, Check, Head, chained
from recording_storage.uploader.standalone.receipt_file import FILE_NAME, ReceiptFile
from recording_storage.uploader.standalone.receipts import Receipts

OLD = (
    b'{"sid":"RE1","file":"a.wav","media_url":"http://h/b/a","size":1,"sha256":"aa","etag":"e",'
    b'"encryption_details":null,"stored_at":"2026-01-31T12:00:00.000+00:00"}\n'
)
"""As the first version wrote it."""


def recording(number: int) -> Recording:
    facts = StoredFacts(f"http://h/b/{number}", "e", None, f"{number:064x}", 1, 0.0)
    return Recording(
        id=number,
        sid=f"RE{number:032x}",
        account_sid="AC",
        product=Product.VOICE,
        path=f"{number}.wav",
        state=RecordingState.STORED,
        seq=1,
        identity=Identity(number, 1, 1),
        content_type="audio/wav",
        found_at=0.0,
        changed_at=0.0,
        destination_id="d" * 32,
        object_key=f"calls/{number}.wav",
        stored=facts,
    )


class Killed(BaseException):
    """The process is gone, whatever it was at; what was written stays as it is."""


class Journal:
    """The port `Outbox`: what is stored and not told yet, committed or not."""

    def __init__(self) -> None:
        self.waiting: list[Recording] = []
        self.dies = False

    def stored(self, limit: int) -> Sequence[Recording]:
        return self.waiting[:limit]

    def taken(self, recordings: Iterable[Recording]) -> None:
        if self.dies:
            raise Killed
        told = {one.sid for one in recordings}
        self.waiting = [one for one in self.waiting if one.sid not in told]


def files_of(folder: Path) -> list[Path]:
    return [*sorted(folder.glob("receipts-*.jsonl")), *folder.glob(FILE_NAME)]


def check_of(files: Iterable[Path]) -> Check:
    check = Check()
    for path in files:
        with path.open("rb") as lines:
            if not check.file(path.name, lines):
                break
    return check


TROUBLES = st.sampled_from(
    [
        "none",
        "before-receipt",
        "receipt-written",
        "receipt-synced",
        "receipts-put-aside",
        "untold",
        "full",
        "torn",
        "sync",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(1, 5), TROUBLES, st.floats(0, 1)), min_size=1, max_size=12),
    rotate_at=st.sampled_from([1, 700, 2500, 1 << 20]),
    older=st.booleans(),
)
def test_no_crash_and_no_full_volume_breaks_the_chain_or_doubles_a_receipt(
    steps: list[tuple[int, str, float]], rotate_at: int, *, older: bool
) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder, journal = Path(name), Journal()
        if older:
            (folder / FILE_NAME).write_bytes(OLD)
        receipts = opened(folder, journal, rotate_at)
        number = 0
        for count, trouble, part in steps:
            journal.waiting += [recording(number := number + 1) for _ in range(count)]
            with patch.context() as troubled:
                make(troubled, trouble, part)
                journal.dies = trouble == "untold"
                try:
                    while receipts._one_group():
                        pass
                except OSError:
                    pass  # the same process tries again
                except Killed:
                    receipts._file.close()
                    receipts = opened(folder, journal, rotate_at)
            journal.dies = False
        while receipts._one_group():
            pass
        receipts._file.close()
        check = check_of(files_of(folder))
        assert check.broken is None
        assert not check.incomplete
        assert (check.receipts, check.older, check.last.seq) == (number, int(older), number)
        told = [json.loads(line) for path in files_of(folder) for line in path.read_bytes().splitlines()]
        assert [one["sid"] for one in told][int(older) :] == [recording(n + 1).sid for n in range(number)]


def opened(folder: Path, journal: Journal, rotate_at: int) -> Receipts:
    receipts = Receipts(folder)
    receipts._file = ReceiptFile(folder, rotate_at=rotate_at)
    receipts._outbox = journal  # type: ignore[assignment]
    return receipts


def make(patch: pytest.MonkeyPatch, trouble: str, part: float) -> None:
    write, sync = os.write, os.fdatasync

    def die_at(point: str) -> None:
        if point == trouble:
            raise Killed

    def write_some(error: BaseException) -> Callable[[int, bytes], int]:
        def some(fd: int, content: bytes) -> int:
            write(fd, content[: int(part * len(content))])
            raise error

        return some

    def sync_fails(fd: int) -> None:
        sync(fd)
        raise OSError(5, "Input/output error")

    patch.setattr(receipt_file, "fault_point", die_at)
    if trouble in {"full", "torn"}:
        patch.setattr(
            os, "write", write_some(Killed() if trouble == "torn" else OSError(28, "No space left on device"))
        )
    if trouble == "sync":
        patch.setattr(os, "fdatasync", sync_fails)


def test_a_file_that_was_put_away_is_continued_in_another(tmp_path: Path) -> None:
    """By somebody who archives it while the uploader runs."""
    file = ReceiptFile(tmp_path)
    file.open()
    file.append([{"sid": "RE1"}])
    (tmp_path / FILE_NAME).rename(tmp_path / "archived")
    file.append([{"sid": "RE2"}])
    file.close()
    check = check_of([tmp_path / "archived", tmp_path / FILE_NAME])
    assert (check.broken, check.receipts, check.last.seq) == (None, 2, 2)


def test_files_put_back_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "receipts-000000000001.jsonl").write_bytes(b"kept\n")
    file = ReceiptFile(tmp_path, rotate_at=1)
    (tmp_path / FILE_NAME).touch()
    file.open()
    file._head = Head()
    file.append([{"sid": "RE1"}])
    file.append([{"sid": "RE2"}])
    file.close()
    assert (tmp_path / "receipts-000000000001.jsonl").read_bytes() == b"kept\n"
    assert (tmp_path / "receipts-000000000001-2.jsonl").read_bytes().count(b"\n") == 1


# What a check says, from lines that are given.

LINES, HEAD = chained([{"sid": f"RE{n}"} for n in range(1, 6)], head=Head())


def verify(tmp_path: Path, *contents: bytes) -> tuple[int, dict[str, Any], str]:
    paths = []
    for number, content in enumerate(contents):
        paths.append(tmp_path / f"{number}.jsonl")
        paths[-1].write_bytes(content)
    result = CliRunner().invoke(main, ["receipts", "verify", *map(str, paths), "--json"])
    return result.exit_code, json.loads(result.stdout), result.stderr


def test_a_whole_chain_is_verified(tmp_path: Path) -> None:
    code, answer, _ = verify(tmp_path, b"".join(LINES))
    assert code == 0
    assert answer == {
        "ok": True,
        "receipts": 5,
        "older": 0,
        "first_seq": 1,
        "last_seq": 5,
        "last_sha256": HEAD.prev,
        "begins": {"file": str(tmp_path / "0.jsonl"), "line": 1},
        "continues": False,
        "incomplete": False,
        "broken": None,
    }
    assert json.loads(LINES[0])["prev"] == START


def test_files_in_order_are_one_chain_and_a_later_one_alone_goes_on_from_an_earlier(tmp_path: Path) -> None:
    first, second = b"".join(LINES[:2]), b"".join(LINES[2:])
    assert verify(tmp_path, first, second)[:2][0] == 0
    code, answer, _ = verify(tmp_path, second)
    assert (code, answer["continues"], answer["first_seq"], answer["last_seq"]) == (0, True, 3, 5)
    code, answer, _ = verify(tmp_path, second, first)
    assert (code, answer["broken"]["line"]) == (1, 1)


def test_older_receipts_are_read_and_it_is_said_where_the_chain_begins(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / FILE_NAME).write_bytes(OLD + OLD.replace(b"RE1", b"RE2"))
    file = ReceiptFile(folder)
    assert len(file.open()) == 2
    file.append([{"sid": "RE3"}])
    file.close()
    content = (folder / FILE_NAME).read_bytes()
    code, answer, _ = verify(tmp_path, content)
    assert (code, answer["older"], answer["begins"]["line"], answer["first_seq"]) == (0, 2, 3, 1)
    code, answer, _ = verify(tmp_path, content.replace(b"RE2", b"RE9"))
    assert (code, answer["broken"]["line"]) == (1, 3), "the chain's first line names the last of the older ones"
    assert verify(tmp_path, OLD)[:2] == (0, {**answer, **EMPTY, "older": 1})


EMPTY: dict[str, Any] = {
    "ok": True,
    "receipts": 0,
    "older": 0,
    "first_seq": None,
    "last_seq": None,
    "last_sha256": None,
    "begins": None,
    "continues": False,
    "incomplete": False,
    "broken": None,
}


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (b"".join(LINES).replace(b"RE3", b"RE8"), 4, "changed"),
        (b"".join(LINES[:2] + LINES[3:]), 3, "missing"),
        (b"".join([*LINES[:3], LINES[2], *LINES[3:]]), 4, "doubled"),
        (b"".join([*LINES[:3], OLD, *LINES[3:]]), 4, "no v"),
        (b"".join([*LINES[:3], b"nonsense\n", *LINES[3:]]), 4, "no JSON"),
        (b"".join([*LINES[:3], b"[]\n"]), 4, "no JSON"),
        (b"".join([*LINES[:3], LINES[3].replace(b'"v":1', b'"v":2')]), 4, "checks v 1"),
        (b"".join([*LINES[:3], b'{"v":1,"seq":4}\n']), 4, "seq and prev"),
        (b"".join([*LINES[:3], b"\n"]), 4, "no JSON"),
    ],
)
def test_a_change_is_found_with_its_line(tmp_path: Path, content: bytes, line: int, why: str) -> None:
    code, answer, stderr = verify(tmp_path, content)
    assert code == 1
    assert answer["ok"] is False
    assert answer["broken"]["line"] == line
    assert why in answer["broken"]["why"]
    assert f"line {line}" in stderr


def test_a_line_without_end_is_told_and_is_a_break_only_in_the_middle(tmp_path: Path) -> None:
    torn = b"".join(LINES[:3]) + LINES[3][:-5]
    code, answer, _ = verify(tmp_path, torn)
    assert (code, answer["incomplete"], answer["last_seq"]) == (0, True, 3)
    code, answer, _ = verify(tmp_path, torn, LINES[4])
    assert (code, answer["broken"]["line"]) == (1, 1)


@pytest.mark.parametrize("arguments", [[], ["{folder}"], ["{folder}/none.jsonl"]])
def test_wrong_use_ends_with_2(tmp_path: Path, arguments: list[str]) -> None:
    words = [word.format(folder=tmp_path) for word in arguments]
    assert CliRunner().invoke(main, ["receipts", "verify", *words]).exit_code == 2


def test_a_person_reads_where_it_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"".join(LINES))
    result = CliRunner().invoke(main, ["receipts", "verify", str(path)])
    assert "5 receipts, seq 1 to 5: whole" in result.stdout
    assert HEAD.prev in result.stdout
    path.write_bytes(b"".join(LINES).replace(b"RE3", b"RE8"))
    result = CliRunner().invoke(main, ["receipts", "verify", str(path)])
    assert result.exit_code == 1
    assert f"{path}: line 4" in result.stderr
