"""The end of a retry window is the same moment for one recording and for a statement over all of a destination's."""

import itertools

import pytest

from recording_storage.domain.retry_window import over_if_since, window_end

HOUR = 3600.0


@pytest.mark.parametrize(
    ("since", "recovered_at", "end"),
    [
        pytest.param(5 * HOUR, None, 7 * HOUR, id="from the first failure on"),
        pytest.param(5 * HOUR, 4 * HOUR, 7 * HOUR, id="its destination was held before that"),
        pytest.param(5 * HOUR, 6 * HOUR, 8 * HOUR, id="its destination was held after that: from the recovery on"),
    ],
)
def test_a_window_ends(since: float, recovered_at: float | None, end: float) -> None:
    assert window_end(since, window=2 * HOUR, recovered_at=recovered_at) == end


@pytest.mark.parametrize("recovered_at", [None, 0.0, 4 * HOUR, 6 * HOUR, 9 * HOUR])
@pytest.mark.parametrize("window", [0.0, HOUR, 2 * HOUR])
def test_the_bound_says_the_same_of_each(window: float, recovered_at: float | None) -> None:
    moments = [half * HOUR / 2 for half in range(24)]
    for since, now in itertools.product(moments, moments):
        bound = over_if_since(now, window=window, recovered_at=recovered_at)
        assert (bound is not None and since <= bound) == (
            now >= window_end(since, window=window, recovered_at=recovered_at)
        )
