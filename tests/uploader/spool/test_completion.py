"""When a file counts as finished."""

import pytest

from recording_storage.uploader.spool.completion import Evidence, FinishRule, judge
from recording_storage.uploader.spool.writers import Writers

NONE, SOME, UNKNOWN = Writers.NONE, Writers.SOME, Writers.UNKNOWN
LOCAL = FinishRule(settle=5.0)


def finished(rule: FinishRule = LOCAL, *, quiet: float = 100.0, writers: Writers = NONE, **more: bool) -> bool:
    return judge(
        Evidence(marker=more.pop("marker", False), quiet_for=quiet, writers=writers, **more), rule=rule
    ).finished


def test_nobody_has_it_open_and_it_has_settled() -> None:
    assert finished()


@pytest.mark.parametrize("quiet", [10.0, 3600.0, 1e6])
def test_quiet_proves_nothing_while_it_is_open(quiet: float) -> None:
    assert not finished(quiet=quiet, writers=SOME)
    assert not finished(quiet=quiet, writers=SOME, closed=True)


def test_it_has_to_settle() -> None:
    judgement = judge(Evidence(marker=False, quiet_for=2.0, writers=NONE), rule=LOCAL)
    assert not judgement.finished
    assert judgement.look_again == pytest.approx(3.0)


def test_without_leases_a_close_that_was_seen_is_proof() -> None:
    assert not finished(writers=UNKNOWN)
    assert finished(writers=UNKNOWN, closed=True)
    assert finished(writers=UNKNOWN, moved_in=True)


def test_on_a_network_file_system_only_marker_and_rename_are_proof() -> None:
    assert not finished(network=True)
    assert not finished(network=True, closed=True)
    assert finished(network=True, moved_in=True)
    assert finished(network=True, marker=True, quiet=0.0, writers=UNKNOWN)


def test_quiet_is_proof_where_somebody_has_asked_for_it() -> None:
    rule = FinishRule(settle=5.0, quiet_proof=60.0)
    assert not finished(rule, quiet=59.0, watched_for=59.0, writers=UNKNOWN)
    assert finished(rule, quiet=60.0, watched_for=60.0, writers=UNKNOWN)
    assert not finished(rule, quiet=59.0, watched_for=59.0, network=True)
    assert finished(rule, quiet=60.0, watched_for=60.0, network=True)


def test_who_has_opened_it_after_its_marker_is_waited_for() -> None:
    judgement = judge(Evidence(marker=True, quiet_for=100.0, writers=UNKNOWN, opened=True), rule=LOCAL)
    assert not judgement.finished
    assert judgement.unproven, "people are told when it lasts"
    assert "anew" in judgement.why
    assert not finished(FinishRule(marker_only=True), marker=True, writers=UNKNOWN, opened=True)
    assert finished(marker=True, writers=UNKNOWN)


def test_a_clock_that_jumps_is_no_quiet() -> None:
    """The file server's clock may be an hour behind ours, or ours may just have been set."""
    rule = FinishRule(settle=5.0, quiet_proof=60.0)
    assert not finished(rule, quiet=3600.0, watched_for=1.0, network=True)


def test_the_marker_alone() -> None:
    rule = FinishRule(marker_only=True)
    assert not finished(rule)
    assert finished(rule, marker=True)


def test_what_only_somebodys_word_can_finish_is_told_with_the_remedy() -> None:
    assert judge(Evidence(marker=False, quiet_for=3600.0, writers=NONE, network=True), rule=LOCAL).unproven
    for rule in (LOCAL, FinishRule(marker_only=True)):
        judgement = judge(Evidence(marker=False, quiet_for=3600.0, writers=UNKNOWN), rule=rule)
        assert judgement.unproven
        assert "NAME.EXT.done" in judgement.why
        assert not judge(Evidence(marker=False, quiet_for=3600.0, writers=SOME), rule=rule).unproven
    quiet = FinishRule(settle=5.0, quiet_proof=60.0)
    assert not judge(Evidence(marker=False, quiet_for=3600.0, writers=UNKNOWN), rule=quiet).unproven
    assert "--quiet-proof" in judge(Evidence(marker=False, quiet_for=3600.0, writers=UNKNOWN), rule=LOCAL).why


def test_an_empty_file_is_not_finished_without_a_marker() -> None:
    """Its name may have been reserved for a call that is still to come."""
    for seen in ({"moved_in": True}, {"closed": True}, {"network": True}):
        judgement = judge(Evidence(marker=False, quiet_for=3600.0, writers=NONE, empty=True, **seen), rule=LOCAL)
        assert not judgement.finished
        assert judgement.unproven
        assert "is empty" in judgement.why
    assert finished(marker=True, empty=True)


def test_a_file_that_is_open_is_told_with_that_reason() -> None:
    judgement = judge(Evidence(marker=False, quiet_for=3600.0, writers=UNKNOWN, opened=True), rule=LOCAL)
    assert judgement.unproven
    assert "has opened it" in judgement.why
