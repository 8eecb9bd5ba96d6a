"""Whatever the operator is about: killed before any of its writes, it comes to the same end.

To be killed after a write is to be killed before the next one: what the process knew is gone with it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import pytest
import sqlalchemy as sa

from recording_storage.store.database.models import AwsCredential, Settings
from tests.cluster.kube import Document
from tests.controller import resources
from tests.controller.sites import KEY_SECRET, Ground, Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ABOVE_THE_IDEAL = 3
"""Writes that a death may cost."""
OBJECTS = (
    ("RecordingSettings", "default"),
    ("AwsCredential", "main"),
    ("PublicKey", "k1"),
    ("RecordingAccount", "default"),
)


def delete_all(site: Site) -> None:
    for kind, name in OBJECTS:
        site.delete(kind, name)


async def applied(site: Site) -> None:
    site.apply_all()


async def rotated(site: Site) -> None:
    site.rotate()
    site.change("AwsCredential", "main", annotations={"recordingstorage.dev/reconcile-requested-at": "x" * 300})


async def changed_at_the_store(site: Site) -> None:
    with site.served.store.database.write() as session:
        sid = site.find("AwsCredential", "main")["status"]["sid"]
        session.execute(sa.delete(AwsCredential).where(AwsCredential.sid == sid))
        account = site.find("RecordingAccount", "default")["status"]["accountSid"]
        for each in session.scalars(sa.select(Settings).where(Settings.account_sid == account)):
            each.values = each.values | {"friendly_name": "of somebody"}


async def kept_by_the_store(site: Site) -> None:
    site.cluster.apply(site.settings(awsStorage={"enabled": False}))


async def rolled_back(site: Site) -> None:
    site.cluster.apply(resources.public_key(site.namespace, site.pem, name="deleted-later"))
    await site.rest()
    backup = site.cluster.snapshot()
    site.rotate()
    site.delete("PublicKey", "deleted-later")
    site.cluster.apply(site.settings(friendlyName="later"))
    await site.rest()
    site.cluster.restore(backup)
    site.life = site.life.anew()


async def replaced(site: Site) -> None:
    """The store has lost the account, and somebody says that another one is wanted."""
    lost = site.find("RecordingAccount", "default")["status"]["accountSid"]
    site.move_to_other_store()
    await site.life.look_at_all()
    assert site.picture()["store"] == []
    site.change("RecordingAccount", "default", annotations={"recordingstorage.dev/replace-account": lost})


async def deleted(site: Site) -> None:
    site.change("RecordingSettings", "default", deletionPolicy="Disable", encryption={"enabled": False})
    if not site.remote:
        site.change("RecordingAccount", "default", deletionPolicy="Close")
    await site.rest()
    delete_all(site)


async def deleted_and_not_understood(site: Site) -> None:
    site.change("AwsCredential", "main", deletionPolicy="Archive")
    delete_all(site)


async def rotated_and_deleted(site: Site) -> None:
    """Before anything could be made of it."""
    await rotated(site)
    site.change("RecordingSettings", "default", deletionPolicy="Disable", encryption={"enabled": False})
    delete_all(site)


async def bereft_of_its_secret(site: Site) -> None:
    site.delete("Secret", KEY_SECRET)


async def of_an_earlier_version(site: Site) -> None:
    """Its Secret goes with the account's object, and does not say whose key it holds."""
    secret, account = site.find("Secret", KEY_SECRET), site.find("RecordingAccount", "default")["metadata"]
    del secret["metadata"]["annotations"]
    owner = {"kind": "RecordingAccount", "name": account["name"], "uid": account["uid"], "controller": True}
    secret["metadata"]["ownerReferences"] = [owner]
    site.delete("Secret", KEY_SECRET)
    site.cluster.apply(secret)


async def restored_with_its_status(site: Site) -> None:
    site.cluster.restore_elsewhere(status=True)


async def restored_without_status(site: Site) -> None:
    site.cluster.restore_elsewhere(status=False)


async def applied_again(site: Site) -> None:
    """The Secret with the account's key has been kept, as a backup has it."""
    for kind in ("AwsCredential", "PublicKey"):
        site.change(kind, dict(OBJECTS)[kind], deletionPolicy="Retain")
    delete_all(site)
    await site.rest()
    assert site.picture()["cluster"] == {}
    site.apply_all()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    change: Callable[[Site], Awaitable[None]]
    afresh: bool = False
    """Nothing is there before it."""
    remote: bool = False
    items: tuple[str, ...] = ("k1", "main")
    """What the account has at the store in the end."""
    gone: bool = False
    """Nothing is there after it."""
    closed: bool = False
    """The account, too."""

    def __str__(self) -> str:
        return self.change.__name__.replace("_", " ") + (" at a remote store" if self.remote else "")


SCENARIOS = (
    Scenario(change=applied, afresh=True),
    Scenario(change=rotated),
    Scenario(change=changed_at_the_store),
    Scenario(change=kept_by_the_store),
    Scenario(change=rolled_back, items=("deleted-later", "k1", "main")),
    Scenario(change=replaced),
    Scenario(change=applied_again),
    Scenario(change=restored_with_its_status),
    Scenario(change=restored_without_status),
    Scenario(change=bereft_of_its_secret),
    Scenario(change=of_an_earlier_version),
    Scenario(change=deleted, items=(), gone=True, closed=True),
    Scenario(change=deleted_and_not_understood, gone=True),
    Scenario(change=rotated_and_deleted, items=("k1",), gone=True),
    Scenario(change=applied, afresh=True, remote=True),
    Scenario(change=rotated, remote=True),
    Scenario(change=restored_without_status, remote=True),
    Scenario(change=deleted, remote=True, items=(), gone=True),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
async def test_killed_before_any_of_its_writes_it_comes_to_the_same_end(ground: Ground, scenario: Scenario) -> None:
    site = ground.site(remote=scenario.remote)
    if not scenario.afresh:
        site.apply_all()
        await site.rest()
    await scenario.change(site)
    begin = site.back_up()

    begin()
    await site.rest()
    wanted, writes = site.picture(), site.mortality.done.copy()
    check(scenario, wanted)
    for number, write in enumerate(writes):
        begin()
        site.mortality.left = number
        await site.rest()
        assert site.deaths == 1, write
        assert site.picture() == wanted, f"killed before write {number}: {write}"
        assert len(site.mortality.done) <= len(writes) + ABOVE_THE_IDEAL, write


@pytest.mark.parametrize("remote", [False, True], ids=["bundled", "remote"])
@pytest.mark.parametrize("change", [applied, rotated])
async def test_what_a_killed_one_has_made_goes_with_the_objects(
    ground: Ground, change: Callable[[Site], Awaitable[None]], *, remote: bool
) -> None:
    site = ground.site(remote=remote)
    await applied(site)
    site.change("RecordingSettings", "default", deletionPolicy="Disable", encryption={"enabled": False})
    if change is not applied:
        await site.rest()
        await change(site)
    begin = site.back_up()

    begin()
    await site.rest()
    for number, write in enumerate(site.mortality.done.copy()):
        begin()
        site.mortality.left = number
        await site.rest(at_death=partial(delete_all, site))
        assert site.deaths == 1, write
        left = site.picture()
        assert left["cluster"] == {}, write
        assert [item for account in left["store"] for item in account["items"]] == [], write


def check(scenario: Scenario, picture: Document) -> None:
    """That nothing is left to be done, and by nobody."""
    (account,) = picture["store"]
    assert account["status"] == ("closed" if scenario.closed else "active")
    assert [each.split()[0] for each in account["items"]] == list(scenario.items)
    assert "'CR" not in str(account), "a sid of nothing that is there"
    assert set(picture["cluster"].values()) == (set() if scenario.gone else {"True Succeeded"})
    assert picture["secret"] == (None if scenario.remote else {"good": True, "leaves": scenario.closed})
