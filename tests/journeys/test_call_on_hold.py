"""Quiet is not finished."""

from pathlib import Path

from tests.journeys.site import Site, Take


def test_calls_on_hold_are_not_taken_before_they_end(site: Site, speech: list[Path]) -> None:
    """One under its own name, one renamed while it is written; a third falls silent at the same moment and is over.

    Once the third is gone, the time to settle has passed for all of them.
    """
    site.open()
    first, second = speech[0].read_bytes(), speech[1].read_bytes()
    part = site.spool / "renamed.wav.part"

    with (site.spool / "on-hold.wav").open("wb") as on_hold, part.open("wb") as renamed:
        for file in (on_hold, renamed):
            file.write(first)
            file.flush()
        part.rename(site.spool / "renamed.wav")
        (site.spool / "over.wav").write_bytes(second)
        site.assert_stored(Take("over.wav", second))
        assert set(site.recordings()) == {"over.wav"}
        for file in (on_hold, renamed):
            file.write(second)

    site.assert_stored(Take("on-hold.wav", first + second))
    site.assert_stored(Take("renamed.wav", first + second))
