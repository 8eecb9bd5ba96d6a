"""Insert, or on conflict update: both databases have it, SQLAlchemy spells it once for each."""

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from recording_storage.store.database.models import Base


def insert_into(session: Session, model: type[Base]) -> postgresql.Insert:
    """An INSERT that knows `on_conflict_do_update` and `on_conflict_do_nothing`."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(model)  # type: ignore[return-value] # the two have the same methods, and no common type
    return postgresql.insert(model)
