"""Whether the store may keep recordings itself.

Accounts that the operator opened keep nothing here until settings say so: where they have said so already, by external
storage that was switched off, it stays; without settings their recordings wait on their spools from now on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("own_storage", sa.String(8), nullable=False, server_default="allowed"))
    op.add_column("settings", sa.Column("own_storage", sa.String(8), nullable=True))
    op.execute("UPDATE settings SET own_storage = 'allowed' WHERE revision > 0 AND destination_id IS NULL")
    op.execute("UPDATE accounts SET own_storage = 'withheld', revision = revision + 1 WHERE external_id IS NOT NULL")


def downgrade() -> None:
    for table in ("accounts", "settings"):
        op.drop_column(table, "own_storage")  # not in a batch: that makes the table anew, and others refer to it
