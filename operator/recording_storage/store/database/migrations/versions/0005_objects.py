"""What a recording has become at its destination, as its report says it, in place of one key and ETag."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_recordings = sa.table(
    "recordings",
    sa.column("destination_id", sa.String()),
    sa.column("object_key", sa.String()),
    sa.column("media_url", sa.String()),
    sa.column("etag", sa.String()),
    sa.column("stored_size", sa.BigInteger()),
    sa.column("objects", sa.JSON()),
)


def upgrade() -> None:
    op.add_column("recordings", sa.Column("objects", sa.JSON(), nullable=False, server_default="[]"))
    make = sa.func.json_object if op.get_bind().dialect.name == "sqlite" else sa.func.json_build_object
    listed = sa.func.json_array if op.get_bind().dialect.name == "sqlite" else sa.func.json_build_array
    old = _recordings.c
    one = make(
        *("destination", old.destination_id, "key", old.object_key, "version_id", sa.null(), "checksum", sa.null()),
        *("url", old.media_url, "etag", sa.func.nullif(old.etag, ""), "size", old.stored_size),
    )
    stored = (old.media_url != "") & old.destination_id.is_not(None)
    op.execute(_recordings.update().where(stored).values(objects=listed(one)))
    # In place: building the table anew shuffles its indexes, and with them SQLite's choice of two that serve alike.
    op.drop_column("recordings", "object_key")
    op.drop_column("recordings", "etag")


def downgrade() -> None:
    op.add_column("recordings", sa.Column("object_key", sa.String(length=1024), nullable=False, server_default=""))
    op.add_column("recordings", sa.Column("etag", sa.String(length=255), nullable=False, server_default=""))
    if op.get_bind().dialect.name == "sqlite":
        key, etag = sa.text("json_extract(objects, '$[0].key')"), sa.text("json_extract(objects, '$[0].etag')")
    else:
        key, etag = sa.text("objects -> 0 ->> 'key'"), sa.text("objects -> 0 ->> 'etag'")
    values = {"object_key": sa.func.coalesce(key, ""), "etag": sa.func.coalesce(etag, "")}
    op.execute(_recordings.update().values(values))
    op.drop_column("recordings", "objects")
