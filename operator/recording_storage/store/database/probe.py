"""What the database says of a topic, for long-polls that wait for another replica's change."""

from collections.abc import Callable, Collection, Mapping

import sqlalchemy as sa

from recording_storage.store.database.engine import Database
from recording_storage.store.database.models import Account, Binding, Command, SpoolAssignment


def database_probe(database: Callable[[], Database]) -> Callable[[Collection[str]], Mapping[str, str]]:
    """Make a probe for `Changes`: an account's revision and newest command, a namespace's bindings, a spool's owner."""

    def probe(topics: Collection[str]) -> Mapping[str, str]:
        wanted = list(topics)
        with database().read() as session:
            revisions = session.execute(sa.select(Account.sid, Account.revision).where(Account.sid.in_(wanted)))
            commands = session.execute(
                sa.select(Command.account_sid, sa.func.max(Command.created_at), sa.func.count())
                .where(Command.account_sid.in_(wanted))
                .group_by(Command.account_sid)
            )
            bindings = session.execute(
                sa.select(Binding.namespace_uid, sa.func.count(), sa.func.max(Binding.created_at))
                .where(Binding.namespace_uid.in_(wanted))
                .group_by(Binding.namespace_uid)
            )
            spools = session.execute(
                sa.select(SpoolAssignment.id, SpoolAssignment.changed_at).where(SpoolAssignment.id.in_(wanted))
            )
            found = [(row[0], row[1:]) for rows in (revisions, commands, bindings, spools) for row in rows]
        state = dict.fromkeys(wanted, "")
        for topic, values in found:
            state[topic] += ";" + ",".join(map(str, values))
        return state

    return probe
