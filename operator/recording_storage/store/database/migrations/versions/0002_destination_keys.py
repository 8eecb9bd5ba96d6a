"""Destinations keep the public key that their recordings are encrypted for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("destinations", sa.Column("public_key", sa.String(), nullable=True))
    op.execute(
        "UPDATE destinations SET public_key = (SELECT pem FROM public_keys"
        " WHERE public_keys.sid = destinations.public_key_sid"
        " AND public_keys.account_sid = destinations.account_sid)"
    )


def downgrade() -> None:
    with op.batch_alter_table("destinations") as batch_op:
        batch_op.drop_column("public_key")
