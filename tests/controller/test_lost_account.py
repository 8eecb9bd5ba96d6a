"""An account that the store has lost, or closed, is asked for at each look, and nothing is written there."""

import sqlalchemy as sa

from recording_storage.controller.core.keys import Kind
from recording_storage.store.database.models import Account
from tests.controller.sites import Ground, Site

KEPT = 61.0  # seconds, after which an account's key is asked for again


async def looked_at(site: Site, *, reason: str) -> list[str]:
    """The writes to the store that some looks have made, each of which told of the account by `reason`."""
    site.mortality.done.clear()
    for _ in range(3):
        site.clock.time += KEPT
        for outcome in await site.life.look_at_all():
            assert outcome is not None
            assert outcome.verdict is not None
    accounts = [each["status"]["conditions"] for each in site.cluster.items(Kind.ACCOUNT)]
    assert [[each["reason"] for each in found if each["type"] == "Stalled"] for found in accounts] == [[reason]]
    return [each for each in site.mortality.done if "/apis/" not in each]


async def test_one_that_is_gone(ground: Ground) -> None:
    site = ground.site()
    site.apply_all()
    await site.rest()
    site.move_to_other_store()
    assert await looked_at(site, reason="AccountMissing") == []


async def test_one_that_is_closed(ground: Ground) -> None:
    site = ground.site()
    site.apply_all()
    await site.rest()
    sid = site.find("RecordingAccount", "default")["status"]["accountSid"]
    with site.served.store.database.write() as session:
        session.execute(sa.update(Account).where(Account.sid == sid).values(status="closed"))
    assert await looked_at(site, reason="AccountClosed") == []
