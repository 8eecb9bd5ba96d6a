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
    """Keep it for the next process."""
    connection.execute(
        "INSERT INTO meta VALUES ('running_time', ?) ON CONFLICT (key) DO UPDATE SET value=excluded.value",
        (repr(seconds),),
    )


def is_carried_out(connection: sqlite3.Connection, command: str) -> bool:
    """Whether the store's command of that id was carried out before."""
    return connection.execute("SELECT 1 FROM commands WHERE id = ?", (command,)).fetchone() is not None


def set_carried_out(connection: sqlite3.Connection, command: str, *, now: float) -> None:
    """Note that it was."""
    connection.execute("INSERT OR IGNORE INTO commands VALUES (?,?)", (command, now))
