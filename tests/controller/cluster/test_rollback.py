"""A list that does not follow on what was known of the cluster shows that this was put back to an earlier state."""

import pytest

from recording_storage.controller.cluster.resource_versions import ResourceVersions
from recording_storage.controller.cluster.rollback import RolledBack
from recording_storage.controller.core.keys import Key, Kind

AWS, OTHER = (Key(Kind.SECRET, "here", name) for name in ("aws", "other"))
PLACE = (Kind.SECRET, "here")


def known() -> ResourceVersions:
    """`aws` was changed at 40, `other` is gone since 50."""
    made = ResourceVersions(namespaced=False)
    made.follow(PLACE, {AWS: "20", OTHER: "30"}, version="35", reached=0)
    made.listed(PLACE, {AWS: "20", OTHER: "30"})
    made.event(AWS, "40")
    made.event(OTHER, "50", gone=True)
    return made


def holds(tested: ResourceVersions, listed: dict[Key, str], *, version: str, reached: int | None = None) -> bool:
    asked = tested.reached(Kind.SECRET) if reached is None else reached
    try:
        tested.follow(PLACE, listed, version=version, reached=asked)
    except RolledBack:
        return False
    return True


@pytest.mark.parametrize(
    ("version", "listed", "follows"),
    [
        pytest.param("50", {AWS: "40"}, True, id="nothing new"),
        pytest.param("60", {AWS: "55"}, True, id="changed"),
        pytest.param("60", {AWS: "40", OTHER: "58"}, True, id="made anew"),
        pytest.param("60", {}, True, id="gone"),
        pytest.param("49", {AWS: "40"}, False, id="an earlier version"),
        pytest.param("45", {}, False, id="an earlier version of an empty list"),
        pytest.param("60", {AWS: "20"}, False, id="an object as it was before, though the version has caught up"),
        pytest.param("60", {AWS: "40", OTHER: "30"}, False, id="an object that was deleted is there again"),
        pytest.param("1000000050", {AWS: "20", OTHER: "30"}, False, id="with the version raised by the restore"),
        pytest.param("later", {AWS: "20"}, True, id="versions that can't be compared prove nothing"),
    ],
)
def test_a_list_follows_or_not(version: str, listed: dict[Key, str], *, follows: bool) -> None:
    assert holds(known(), listed, version=version) is follows


def test_a_list_that_was_under_way_while_its_objects_changed_follows() -> None:
    tested = known()
    reached = tested.reached(Kind.SECRET)
    tested.event(AWS, "60")
    tested.event(OTHER, "61")
    assert holds(tested, {AWS: "40"}, version="55", reached=reached)
    assert not holds(tested, {AWS: "40"}, version="55"), "one that was asked for later does not"


def test_what_a_list_lacks_is_known_to_be_gone() -> None:
    tested = known()
    assert holds(tested, {}, version="60")
    assert not holds(tested, {AWS: "40"}, version="70")


def test_a_write_of_ours_and_a_bookmark_tell_how_far_the_server_has_come() -> None:
    written = known()
    written.seen(AWS, "70")
    assert not holds(written, {AWS: "40"}, version="69")
    assert not holds(written, {AWS: "40"}, version="90")
    marked = known()
    marked.reach(Kind.SECRET, "70")
    assert not holds(marked, {AWS: "40"}, version="69")


def test_kinds_are_told_apart_since_each_may_have_an_etcd_of_its_own() -> None:
    tested = known()
    tested.follow((Kind.CONFIG_MAP, "here"), {}, version="5", reached=tested.reached(Kind.CONFIG_MAP))
    assert holds(tested, {AWS: "40"}, version="50")


def test_only_so_many_that_are_gone_are_remembered() -> None:
    tested = known()
    for number in range(10_050):
        tested.event(Key(Kind.SECRET, "here", f"s{number}"), str(100 + number), gone=True)
    assert holds(tested, {OTHER: "30", AWS: "40"}, version="20000")
    assert not holds(tested, {Key(Kind.SECRET, "here", "s10049"): "7"}, version="20001")
