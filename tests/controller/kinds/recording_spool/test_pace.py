"""However much uploaders report, the API server has few writes of it."""

from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.kinds.recording_spool.pace import GAP, MOST, Pace

ONE, *REST = (Key(Kind.SPOOL, "media", f"s{number}") for number in range(1000))


def test_the_first_look_is_at_once_and_the_next_one_five_seconds_later() -> None:
    pace = Pace()
    assert pace.after(ONE, now=100.0) == 0.0
    assert pace.after(ONE, now=101.0) == GAP - 1.0
    assert pace.after(ONE, now=102.0) is None, "it is planned already"
    assert pace.after(ONE, now=105.5) == GAP - 0.5


def test_a_thousand_that_change_all_the_time_have_twenty_looks_a_second() -> None:
    pace = Pace()
    due: list[float] = []
    for now in range(0, 200, 2):
        for key in (ONE, *REST):
            after = pace.after(key, now=float(now))
            if after is not None:
                due.append(now + after)
    seconds = [sum(second <= each < second + 1 for each in due) for second in range(199)]
    assert max(seconds) <= MOST + 1
    assert min(seconds[:190]) > 0, "and none waits for ever"


def test_what_is_long_past_is_forgotten() -> None:
    pace = Pace()
    pace.after(ONE, now=0.0)
    pace.forget(now=GAP + 1)
    assert pace.after(ONE, now=GAP + 1) == 0.0
