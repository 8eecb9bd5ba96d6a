"""Whoever was seen to open a file counts until he has closed it, however often events are lost."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from recording_storage.uploader.core.recording import Identity
from recording_storage.uploader.spool.file_events import FileEvents

NOW = Identity(7, 100, 1)
STEPS = (
    "a writer opens it",
    "a writer closes it",
    "a reader opens it",
    "a reader closes it",
    "a writer closes it unseen",
    "a reader closes it unseen",
    "events are lost",
)


class _History:
    """What is done to a file, and what is seen of it. Each open is seen: of others only /proc can tell."""

    def __init__(self) -> None:
        self.seen = FileEvents()
        self.seen.created("x", lambda _: NOW, opened=True)
        self.writers = self.readers = 0

    def go(self, step: str) -> None:
        who = "writers" if "writer" in step else "readers"
        if "opens" in step:
            self.seen.opened("x")
            setattr(self, who, getattr(self, who) + 1)
        elif "closes" in step and getattr(self, who):
            setattr(self, who, getattr(self, who) - 1)
            if "unseen" in step:
                self._lose()
            elif who == "writers":
                self.seen.closed("x", now=5.0)
            else:
                self.seen.closed_unwritten("x")
        elif step == "events are lost":
            self._lose()

    def _lose(self) -> None:
        self.seen.lost()


@given(st.lists(st.sampled_from(STEPS), max_size=30))
def test_no_file_counts_as_closed_while_somebody_has_it_open(steps: Sequence[str]) -> None:
    history = _History()
    for step in ["a writer opens it", *steps]:
        history.go(step)
        if history.writers + history.readers:
            seen = history.seen.of("x", NOW)
            assert seen.opened
            assert not seen.closed
            assert history.seen.opens("x") >= history.writers + history.readers


@given(st.lists(st.sampled_from(STEPS[:4]), max_size=30))
def test_where_nothing_was_lost_its_last_close_is_proof(steps: Sequence[str]) -> None:
    history = _History()
    for step in ["a writer opens it", *steps]:
        history.go(step)
    while history.readers:
        history.go("a reader closes it")
    while history.writers:
        history.go("a writer closes it")
    assert history.seen.of("x", NOW).closed
