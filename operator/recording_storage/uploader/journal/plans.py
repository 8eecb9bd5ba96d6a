"""The plans that were in force last, kept for a start without the store; and where every destination leads."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from recording_storage.protocol.base import MalformedError
from recording_storage.protocol.plan import AccountPlan
from recording_storage.uploader.core.plans import without_credentials
from recording_storage.uploader.journal import destinations

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

log = logging.getLogger(__name__)


def journal_plans(connection: sqlite3.Connection, plans: Mapping[str, AccountPlan]) -> None:
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
    for plan in map(without_credentials, plans.values()):
        body = plan.to_json().decode()
        connection.execute("INSERT INTO plans VALUES (?,?,?)", (plan.account_sid, plan.revision, body))
        for terms in plan.destinations.values():
            destinations.keep(connection, (plan.account_sid, terms.id), terms)


def journalled_plans(connection: sqlite3.Connection) -> dict[str, AccountPlan]:
    """The plans that were in force last, without credentials."""
    return dict(_readable(connection))


def _readable(connection: sqlite3.Connection) -> Iterator[tuple[str, AccountPlan]]:
    for account, revision, body in connection.execute("SELECT account_sid, revision, body FROM plans"):
        named = {"account_sid": account, "revision": revision}  # which earlier versions left to the columns
        try:
            yield account, AccountPlan.from_values(json.loads(body) | named)
        except MalformedError as error:
            log.warning("the plan kept for account %s can't be used, the store's is waited for: %s", account, error)


def revisions(connection: sqlite3.Connection) -> dict[str, int]:
    """By account, the one of the plan that was in force last."""
    return dict(connection.execute("SELECT account_sid, revision FROM plans"))
