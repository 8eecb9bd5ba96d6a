"""Alembic's entry: runs the migrations on the connection that `database.migrate` hands over."""

from alembic import context

from recording_storage.store.database.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by building it anew
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
