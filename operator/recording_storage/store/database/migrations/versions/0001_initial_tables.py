"""Initial tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("friendly_name", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("auth_token_hash", sa.String(length=255), nullable=False),
        sa.Column("auth_token_box", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sid"),
        sa.UniqueConstraint("external_id"),
    )
    op.create_table(
        "api_keys",
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("friendly_name", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=255), nullable=False),
        sa.Column("secret_box", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_sid"],
            ["accounts.sid"],
        ),
        sa.PrimaryKeyConstraint("sid"),
    )
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_keys_account_sid"), ["account_sid"], unique=False)

    op.create_table(
        "aws_credentials",
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("friendly_name", sa.String(length=64), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_sid"],
            ["accounts.sid"],
        ),
        sa.PrimaryKeyConstraint("sid"),
    )
    with op.batch_alter_table("aws_credentials", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_aws_credentials_account_sid"), ["account_sid"], unique=False)

    op.create_table(
        "bindings",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("namespace_uid", sa.String(length=64), nullable=False),
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_sid"],
            ["accounts.sid"],
        ),
        sa.PrimaryKeyConstraint("account_sid", "namespace_uid"),
    )
    op.create_table(
        "commands",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("spool_id", sa.String(length=36), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("recording_sid", sa.String(length=34), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_sid"],
            ["accounts.sid"],
        ),
        sa.PrimaryKeyConstraint("id", "spool_id"),
    )
    with op.batch_alter_table("commands", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_commands_account_sid"), ["account_sid"], unique=False)
        batch_op.create_index(batch_op.f("ix_commands_spool_id"), ["spool_id"], unique=False)

    op.create_table(
        "destinations",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("credential_sid", sa.String(length=34), nullable=True),
        sa.Column("public_key_sid", sa.String(length=34), nullable=True),
        sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_sid"],
            ["accounts.sid"],
        ),
        sa.PrimaryKeyConstraint("account_sid", "id"),
    )
    with op.batch_alter_table("destinations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_destinations_credential_sid"), ["credential_sid"], unique=False)
        batch_op.create_index(batch_op.f("ix_destinations_public_key_sid"), ["public_key_sid"], unique=False)

    op.create_table(
        "media_uploads",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("recording_sid", sa.String(length=34), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_sid"],
            ["accounts.sid"],
        ),
        sa.PrimaryKeyConstraint("account_sid", "recording_sid"),
        sa.UniqueConstraint("path"),
    )
    op.create_table(
        "public_keys",
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("friendly_name", sa.String(length=64), nullable=False),
        sa.Column("pem", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_sid"],
            ["accounts.sid"],
        ),
        sa.PrimaryKeyConstraint("sid"),
    )
    with op.batch_alter_table("public_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_public_keys_account_sid"), ["account_sid"], unique=False)

    op.create_table(
        "recordings",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("sid", sa.String(length=34), nullable=False),
        sa.Column("product", sa.String(length=8), nullable=False),
        sa.Column("spool_id", sa.String(length=36), nullable=True),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("content_type", sa.String(length=255), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration", sa.Double(), nullable=True),
        sa.Column("channels", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("type", sa.String(length=8), nullable=False),
        sa.Column("call_sid", sa.String(length=64), nullable=False),
        sa.Column("conference_sid", sa.String(length=64), nullable=False),
        sa.Column("room_sid", sa.String(length=64), nullable=False),
        sa.Column("source_sid", sa.String(length=64), nullable=False),
        sa.Column("participant_sid", sa.String(length=64), nullable=False),
        sa.Column("track_name", sa.String(length=255), nullable=False),
        sa.Column("status_callback", sa.String(), nullable=False),
        sa.Column("status_callback_method", sa.String(length=8), nullable=False),
        sa.Column("destination_id", sa.String(length=32), nullable=True),
        sa.Column("object_key", sa.String(length=1024), nullable=False),
        sa.Column("media_url", sa.String(), nullable=False),
        sa.Column("media_path", sa.String(length=255), nullable=False),
        sa.Column("etag", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("stored_size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("encryption_details", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("attempts", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_sid"],
            ["accounts.sid"],
        ),
        sa.PrimaryKeyConstraint("account_sid", "sid"),
    )
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_recordings_spool_id"), ["spool_id"], unique=False)
        batch_op.create_index("recordings_by_call", ["account_sid", "call_sid"], unique=False)
        batch_op.create_index("recordings_by_room", ["account_sid", "room_sid"], unique=False)
        batch_op.create_index("recordings_by_time", ["account_sid", "product", "created_at", "sid"], unique=False)

    op.create_table(
        "settings",
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("product", sa.String(length=8), nullable=False),
        sa.Column("revision", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("destination_id", sa.String(length=32), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("owner_label", sa.String(length=255), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_sid"],
            ["accounts.sid"],
        ),
        sa.PrimaryKeyConstraint("account_sid", "product"),
    )
    op.create_table(
        "spools",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=False),
        sa.Column("namespace", sa.String(length=253), nullable=False),
        sa.Column("namespace_uid", sa.String(length=64), nullable=False),
        sa.Column("pod", sa.String(length=253), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_sid"],
            ["accounts.sid"],
        ),
        sa.PrimaryKeyConstraint("id", "account_sid"),
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("account_sid", sa.String(length=34), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_sid"],
            ["accounts.sid"],
        ),
        sa.PrimaryKeyConstraint("hash"),
    )


def downgrade() -> None:
    op.drop_table("tokens")
    op.drop_table("spools")
    op.drop_table("settings")
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.drop_index("recordings_by_time")
        batch_op.drop_index("recordings_by_room")
        batch_op.drop_index("recordings_by_call")
        batch_op.drop_index(batch_op.f("ix_recordings_spool_id"))

    op.drop_table("recordings")
    with op.batch_alter_table("public_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_public_keys_account_sid"))

    op.drop_table("public_keys")
    op.drop_table("media_uploads")
    with op.batch_alter_table("destinations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_destinations_public_key_sid"))
        batch_op.drop_index(batch_op.f("ix_destinations_credential_sid"))

    op.drop_table("destinations")
    with op.batch_alter_table("commands", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_commands_spool_id"))
        batch_op.drop_index(batch_op.f("ix_commands_account_sid"))

    op.drop_table("commands")
    op.drop_table("bindings")
    with op.batch_alter_table("aws_credentials", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_aws_credentials_account_sid"))

    op.drop_table("aws_credentials")
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_keys_account_sid"))

    op.drop_table("api_keys")
    op.drop_table("accounts")
