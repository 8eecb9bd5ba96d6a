"""Conditions as the status shows them."""

from datetime import UTC, datetime, timedelta

from recording_storage.domain.conditions import MAX_MESSAGE, ConditionType, false, render, shorten, true

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
READY, STALLED = ConditionType.READY, ConditionType.STALLED


def test_a_time_stands_while_the_status_stands() -> None:
    first = render([false(READY, "A", "a")], present=[], generation=1, now=NOW)
    second = render([false(READY, "B", "b")], present=first, generation=2, now=NOW + timedelta(hours=1))
    assert second[0]["lastTransitionTime"] == first[0]["lastTransitionTime"] == "2026-01-31T12:00:00Z"
    assert (second[0]["reason"], second[0]["observedGeneration"]) == ("B", 2)
    third = render([true(READY, "C", "c")], present=second, generation=2, now=NOW + timedelta(hours=1))
    assert third[0]["lastTransitionTime"] == "2026-01-31T13:00:00Z"


def test_stalled_is_there_only_while_it_is_true_and_ready_comes_first() -> None:
    rendered = render(
        [false(STALLED, "A", "a"), true(ConditionType.SYNCED, "S", "s"), true(READY, "R", "r")],
        present=[],
        generation=1,
        now=NOW,
    )
    assert [each["type"] for each in rendered] == ["Ready", "Synced"]


def test_a_message_is_one_line_of_bounded_length() -> None:
    assert shorten("a\nb\x00c\x1b[31m") == "a b c [31m"
    assert len(shorten("x" * 10_000)) == MAX_MESSAGE
