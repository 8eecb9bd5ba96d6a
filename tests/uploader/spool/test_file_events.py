"""What events prove of a file: a table of histories."""

import pytest

from recording_storage.uploader.core.recording import Identity
from recording_storage.uploader.spool.file_events import FileEvents, Sighting

NOW = Identity(7, 100, 1)
"""What the file is after each event here."""


EVENTS = {
    "create": lambda seen, path: seen.created(path, lambda _: NOW),
    "make": lambda seen, path: seen.created(path, lambda _: NOW, opened=True),
    "open": lambda seen, path: seen.opened(path),
    "write-close": lambda seen, path: seen.closed(path, now=5.0),
    "read-close": lambda seen, path: seen.closed_unwritten(path),
    "move": lambda seen, _: seen.moved("y", "x", now=5.0),
    "in": lambda seen, _: seen.moved(None, "x", now=5.0),
    "back": lambda seen, _: seen.moved("y", "x", now=5.0, ours=True),
    "remove": lambda seen, path: seen.removed(path),
    "lost": lambda seen, _: seen.lost(),
    "write": lambda seen, path: seen.modified(path),
    "mark": lambda seen, path: seen.marked(path, lambda _: 0),
    "mark-while-we-have-it-open": lambda seen, path: seen.marked(path, lambda _: 1),
    "create-and-lose": lambda seen, path: seen.created(path, lambda _: None),
}


def play(history: str) -> FileEvents:
    """Events of the file x; of its first name, y, where a `y` follows."""
    file_events = FileEvents()
    for name in history.split():
        EVENTS[name.removesuffix("y")](file_events, "y" if name.endswith("y") else "x")
    return file_events


CLOSED = {
    "a recorder has closed its file": "create open write-close",
    "a reader came after that": "create open write-close open read-close",
    "a reader came before that": "create open open write-close read-close",
    "a reader came and stays longer": "create open open read-close write-close",
    "it was opened and closed again": "create open write-close open write-close",
    "two writers have closed it": "create open open write-close write-close",
    "it was open at the start": "write-close",
    "it was open at the start, and a reader came": "open read-close write-close",
    "and was opened again": "write-close open write-close",
    "two opens became one event": "create open write-close write-close",
    "renamed, then closed": "createy openy move write-close",
    "renamed and written to": "in open write-close",
    "linked, then closed by its first name": "createy openy create removey write-closey",
    "a name comes again while its last file is open": "create open remove create open write-close write-close",
    "closed after events were lost": "create open lost write-close",
    "two have closed it after events were lost": "create open open lost write-close write-close",
    "opened and closed by another after events were lost": "create open lost open write-close write-close",
    "two opens became one event, and the second has written": "create open write-close write write-close",
    "linked, its first name was gone at once": "create-and-losey openy create removey write-closey",
    "made and closed": "make open write-close",
    "made, linked while it is open, and closed": "makey openy create removey write-closey",
}
NOT_CLOSED = {
    "open": "create open",
    "a second writer closes": "create open open write-close",
    "somebody opens and closes it": "create open open write-close open write-close",
    "it was open at the start, and somebody opens and closes it": "open write-close",
    "it was open at the start, and a reader closes it": "read-close",
    "opened again after the close": "create open write-close open",
    "opened again, and a reader came": "create open write-close open open read-close",
    "renamed while it is open": "createy openy move",
    "renamed, and opened": "in open",
    "linked while it is open": "createy openy create removey",
    "a name comes again while its last file is open": "create open remove create open write-close",
    "events were lost": "create open write-close lost",
    "two opens became one event, and the second writes": "create open write-close write",
    "made, and linked while it is open": "makey openy create removey",
    "linked while it is open, its first name was gone at once": "create-and-losey openy create removey",
    "two had it open when events were lost, and one closes": "create open open lost write-close",
    "it was open when events were lost, and another opens and closes it": "create open lost open write-close",
    "it was open when events were lost, and a reader closes it": "create open lost read-close",
    "it was opened again when events were lost": "create open write-close open lost",
    "events were lost twice": "create open open lost write-close lost",
    "its name comes again after events were lost": "create open lost remove create open write-close",
    "events were lost while it was open": "createy openy move lost",
    "what we put back": "createy openy back",
    "nothing was seen": "",
}


@pytest.mark.parametrize("history", CLOSED.values(), ids=CLOSED)
def test_finished(history: str) -> None:
    seen = play(history).of("x", NOW)
    assert seen.closed
    assert not seen.opened


@pytest.mark.parametrize("history", NOT_CLOSED.values(), ids=NOT_CLOSED)
def test_not_finished(history: str) -> None:
    seen = play(history).of("x", NOW)
    assert not seen.closed
    assert not seen.moved_in


MOVED = {
    "renamed into place": "in",
    "renamed from a name that was seen": "createy openy write-closey move",
    "of which nothing else was seen": "move",
    "linked into place": "create",
    "linked from a name that was seen": "createy openy write-closey create",
    "and a reader came": "in open read-close",
    "and events were lost": "in lost",
    "renamed into place after events were lost": "createy openy lost move",
    "put back by ourselves afterwards": "move back",
}


@pytest.mark.parametrize("history", MOVED.values(), ids=MOVED)
def test_come_by_its_recorders_word(history: str) -> None:
    assert play(history).of("x", NOW).moved_in


@pytest.mark.parametrize(
    "other", [Identity(8, 100, 1), Identity(7, 101, 1)], ids=["another file", "it has grown meanwhile"]
)
@pytest.mark.parametrize("history", ["create open write-close", "in"])
def test_a_proof_is_of_one_file_as_it_was(history: str, other: Identity) -> None:
    file_events = play(history)
    file_events.of("x", NOW)
    seen = file_events.of("x", other)
    assert not seen.closed
    assert not seen.moved_in


def test_its_time_may_be_set_afterwards() -> None:
    file_events = play("create open write-close")
    assert file_events.of("x", NOW).closed
    assert file_events.of("x", Identity(7, 100, 999)).closed


def test_a_name_that_is_not_known_may_be_opened_unseen() -> None:
    assert not play("create open write-close").of("x", NOW, links=2).closed
    assert play("makey openy create write-closey").of("x", NOW, links=2).closed


def test_a_file_that_has_no_name_until_it_is_finished() -> None:
    file_events = FileEvents()
    file_events.opened("#7", unnamed=7)
    file_events.created("x", lambda _: NOW)
    assert file_events.of("x", NOW) == Sighting(opened=True)
    file_events.closed("#7", now=5.0)
    assert file_events.of("x", NOW).moved_in


def test_a_folder_that_is_renamed_takes_what_was_seen_along() -> None:
    file_events = FileEvents()
    file_events.created("a/x", lambda _: NOW, opened=True)
    file_events.opened("a/x")
    file_events.moved_folder("a", "b")
    file_events.moved(None, "b/x", now=5.0)
    assert not file_events.of("b/x", NOW).moved_in, "it is open"
    file_events.closed("b/x", now=6.0)
    assert file_events.of("b/x", NOW).closed


def test_what_is_gone_is_forgotten() -> None:
    file_events = FileEvents()
    for number in range(1000):
        file_events.created(f"{number}.tmp", lambda _: NOW, opened=True)
        file_events.opened(f"{number}.tmp")
        file_events.closed(f"{number}.tmp", now=5.0)
        file_events.moved(f"{number}.tmp", f"{number}", now=5.0)
    assert len(file_events) == 1000
    for number in range(500):
        file_events.removed(f"{number}")
    file_events.purge(lambda _: False)
    assert len(file_events) == 0
    assert not file_events._gone


OPENS_SINCE_THE_MARKER = {
    "mark create open": 1,
    "create open mark": 0,
    "create open write-close mark open": 1,
    "create open write-close mark open mark": 0,
    "open mark open": 1,
    "open mark open read-close": 0,
    "open mark open write-close": 1,
    "open mark open write-close write-close": 0,
    "open mark write": 1,
    "open mark read-close open": 1,
    "open mark lost open": 1,
    "open lost": 1,
    "open lost open": 2,
    "open open lost write-close": 1,
    "open lost read-close": 1,
    "open lost mark": 0,
    "open mark open lost": 1,
    "open mark open lost write-close": 1,
    "openy lost move": 0,
    "openy marky lost move openy": 0,
    "openy lost back": 1,
    "open mark remove create open": 2,
    "open mark-while-we-have-it-open": 1,
    "open mark-while-we-have-it-open read-close": 0,
    "open mark-while-we-have-it-open open": 2,
    "open mark-while-we-have-it-open open read-close": 1,
    "open open mark-while-we-have-it-open": 1,
    "mark-while-we-have-it-open open": 1,
}


@pytest.mark.parametrize("history", OPENS_SINCE_THE_MARKER)
def test_who_came_after_the_marker(history: str) -> None:
    assert play(history).opens("x", since_marker=True) == OPENS_SINCE_THE_MARKER[history]
