"""The plans that were in force last, kept for a start without the store; and where every destination leads."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from recording_storage.uploader.core.plans import Plan
from recording_storage.uploader.journal import destinations

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

log = logging.getLogger(__name__)


def journal_plans(connection: sqlite3.Connection, plans: Mapping[str, Plan]) -> None:
    """Keep what is in force, without secrets; destinations that recordings are pinned to stay known.

    A revision that went back says that the store's database was restored: what it has been told since is told again, as
    far back as the journal goes.
    """
    before = revisions(connection)
    for plan in plans.values():
        if plan.revision < before.get(plan.account_sid, 0):
            log.warning("the store has forgotten changes of account %s: it is told everything again", plan.account_sid)
            connection.execute("UPDATE recordings SET told_seq=0 WHERE account_sid=?", (plan.account_sid,))
    connection.execute("DELETE FROM plans")
    for plan in plans.values():
        connection.execute("INSERT INTO plans VALUES (?,?,?)", (plan.account_sid, plan.revision, plan.to_json()))
        for terms in plan.destinations.values():
            destinations.keep(connection, (plan.account_sid, terms.id), terms)


def journalled_plans(connection: sqlite3.Connection) -> dict[str, Plan]:
    """The plans that were in force last, without credentials."""
    cursor = connection.execute("SELECT account_sid, revision, body FROM plans")
    return {account: Plan.from_json(account, revision, body) for account, revision, body in cursor}


def revisions(connection: sqlite3.Connection) -> dict[str, int]:
    """By account, the one of the plan that was in force last."""
    return dict(connection.execute("SELECT account_sid, revision FROM plans"))
