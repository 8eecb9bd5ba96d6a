"""What the journal remembers besides recordings and plans; each called in the journal's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


def running_time(connection: sqlite3.Connection) -> float:
    """Seconds that uploaders of this spool have run."""
    row = connection.execute("SELECT value FROM meta WHERE key='running_time'").fetchone()
    return float(row[0]) if row else 0.0


def set_running_time(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(
        "INSERT INTO meta VALUES ('running_time', ?) ON CONFLICT (key) DO UPDATE SET value=excluded.value",
        (repr(seconds),),
    )


def assigned_account(connection: sqlite3.Connection) -> str | None:
    """Of recordings that name none, as the spool was assigned last; None: it never was."""
    row = connection.execute("SELECT value FROM meta WHERE key='assigned_account'").fetchone()
    return row[0] if row else None


def set_assigned_account(connection: sqlite3.Connection, account_sid: str) -> None:
    """Keep it for a start without the store."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('assigned_account', ?)", (account_sid,))


def is_carried_out(connection: sqlite3.Connection, command: str) -> bool:
    """Whether the store's command of that id was carried out before."""
    return connection.execute("SELECT 1 FROM commands WHERE id = ?", (command,)).fetchone() is not None


def set_carried_out(connection: sqlite3.Connection, command: str, *, now: float) -> None:
    connection.execute("INSERT OR IGNORE INTO commands VALUES (?,?)", (command, now))
