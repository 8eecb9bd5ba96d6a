"""Durations: read, bounded, never infinite."""

import pytest

from recording_storage.domain.durations import MAX_DURATION, format_duration, parse_duration, shown


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("1h30m", 5400), ("3650d", MAX_DURATION)])
def test_what_people_write(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "-5s", "nan", "inf", "1e400s", "5s 3"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration; write for example 30s"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["3650d1s", "99999999h", "9" * 400 + "h", "9" * 400 + "ms", "9" * 5000 + "d"])
def test_one_that_is_longer_than_anything_lasts(text: str) -> None:
    with pytest.raises(ValueError, match="is too long; 3650d is the longest") as caught:
        parse_duration(text)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    "value", [10**5000, -(10**5000), "x" * 100, "\n" * 30], ids=["large", "small", "text", "lines"]
)
def test_a_value_in_a_message_is_short_and_in_one_line(value: object) -> None:
    assert len(shown(value)) < 50
    assert shown(value).isprintable()


def test_format() -> None:
    assert [format_duration(seconds) for seconds in (1.5, 45, 5400, MAX_DURATION)] == ["1.5s", "45s", "1h30m", "3650d"]
