"""What is known of files by their names."""

import threading

from recording_storage.uploader.core.recording import Identity
from recording_storage.uploader.spool.known_files import KnownFile, KnownFiles


def known_with(path: str, number: int = 1, **more: bool) -> tuple[KnownFiles, KnownFile]:
    known = KnownFiles()
    known.put(path, number, Identity(number, 10, 1), mendable=more.get("mendable", False))
    file = known.get(path)
    assert file is not None
    return known, file


def test_a_renamed_file_is_found_by_both_names_and_forgotten_by_either() -> None:
    for name in ("a", "b"):
        known, file = known_with("a")
        known.rename(file, "b")
        assert known.get("a") is None
        assert known.get("b") is known.of(1, "a") is known.of(1, "b") is file
        assert known.forget(1, name) is file
        assert known.get("b") is known.of(1, "a") is known.same(file.identity) is None
        assert len(known) == 0


def test_another_entry_of_the_name_is_not_forgotten_instead() -> None:
    known, file = known_with("a", 2)
    assert known.forget(1, "a") is None
    assert known.get("a") is file


def test_a_linked_file_is_known_by_all_names_until_it_is_forgotten() -> None:
    known, file = known_with("a")
    known.add_name(file, "b")
    assert sorted(file.names) == ["a", "b"]
    assert known.get("b") is file
    known.forget(1, "a")
    assert len(known) == 0


def test_a_name_that_another_file_has_taken_stays_with_it() -> None:
    known, file = known_with("a")
    known.rename(file, "b")
    known.put("a", 2, Identity(2, 20, 1), mendable=False)
    known.forget(1, "a")
    assert known.get("b") is None
    taken = known.get("a")
    assert taken is not None
    assert taken.id == 2


def test_what_is_awaited_again_by_a_name_that_it_had_is_looked_for_by_those_that_it_has() -> None:
    known, file = known_with("a")
    known.rename(file, "b")
    known.add_name(file, "c")
    assert known.await_again("a") == ["b", "c"]
    assert file.mendable
    assert known.await_again("nobody's") == ["nobody's"]


def test_others_ask_while_files_are_renamed() -> None:
    known, stop = KnownFiles(), threading.Event()
    faults: list[BaseException] = []

    def ask() -> None:
        try:
            while not stop.is_set():
                for number in range(50):
                    known.of(number, f"{number}.wav")
                    known.await_again(f"{number}.wav")
        except BaseException as error:  # noqa: BLE001 - told by the test
            faults.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    for generation in range(20):
        for number in range(50):
            known.put(f"{number}.wav", number, Identity(number, generation, 1), mendable=False)
            file = known.get(f"{number}.wav")
            assert file is not None
            known.add_name(file, f"{number}-link.wav")
            known.rename(file, f"{number}-new.wav")
            assert known.forget(number, f"{number}.wav") is file
    stop.set()
    asking.join()
    assert not faults
    assert len(known) == 0
