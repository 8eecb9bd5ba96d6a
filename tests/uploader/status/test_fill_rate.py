"""When the volume will be full."""

from recording_storage.uploader.status.fill_rate import WINDOW, FillingRate


def test_nothing_is_said_without_readings_or_from_a_moment_only():
    rate = FillingRate()
    assert rate.rate() is None
    rate.note(at=0, free_bytes=1000)
    rate.note(at=5, free_bytes=10)
    assert rate.rate() is None
    rate.note(at=240, free_bytes=1)
    assert rate.rate() is None, "not from a few minutes either"


def test_a_shrinking_volume_has_a_rate():
    rate = FillingRate()
    rate.note(at=0, free_bytes=100_000)
    rate.note(at=300, free_bytes=70_000)
    assert rate.rate() == 100


def test_a_volume_that_does_not_shrink_has_none():
    rate = FillingRate()
    rate.note(at=0, free_bytes=100)
    rate.note(at=300, free_bytes=100)
    assert rate.rate() is None


def test_only_the_last_minutes_count():
    rate = FillingRate()
    rate.note(at=0, free_bytes=10**9)
    rate.note(at=WINDOW, free_bytes=50_000)
    rate.note(at=WINDOW + 400, free_bytes=10_000)
    assert rate.rate() == 100
