"""PostgreSQL in a temporary folder, on a loopback port, gone with the process that started it."""

import itertools
import os
import pwd
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.postgres.programs import Programs, find
from tests.tools.children import Children
from tests.tools.errors import ToolFailed
from tests.tools.ports import free_port
from tests.tools.progress import tail

READY_TIMEOUT = 30.0  # seconds
USER = "tests"
_numbers = itertools.count(1)


class PostgresServer:
    """Starts when made; `url` is that of a database of its own, `create_database` makes more."""

    def __init__(self, programs: Programs | None = None) -> None:
        self._programs = programs or find()
        self.folder = Path(tempfile.mkdtemp(prefix="recording-storage-postgres-"))
        self._children = Children(remove=[self.folder])
        # PostgreSQL refuses to run as root.
        self._account = _unprivileged() if os.geteuid() == 0 else None
        if self._account:
            os.chown(self.folder, *self._account)
        try:
            if self._account and self._programs.roots:
                self._programs = self._programs.copied(self.folder)
            self._initialize()
            self.port = free_port()
            self.start()
            self.url = self.create_database()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Also after `stop` or `kill`: on the same port with the same data."""
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": "200",
            "timezone": "UTC",
            "jit": "off",  # LLVM is not fetched for it
        }
        argv: list[str | Path] = [self._programs.folder / "postgres", "-D", self._data, "-p", str(self.port)]
        argv += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        log = self.folder / "postgres.log"
        self._children.start("postgres", argv, log=log, env=self._programs.environment(), user=self._account)
        deadline = time.monotonic() + READY_TIMEOUT
        while True:
            try:
                psycopg.connect(self._url("postgres", driver="postgresql"), connect_timeout=5).close()
            except psycopg.OperationalError:
                if self._children.exit_code("postgres") is not None or time.monotonic() > deadline:
                    raise ToolFailed(f"PostgreSQL has not come up:\n{tail(log)}") from None
                time.sleep(0.05)
            else:
                return

    def create_database(self) -> str:
        """A fresh one, as `postgresql+psycopg://…`."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self._execute(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def drop_database(self, url: str) -> None:
        """Also while somebody is connected."""
        self._execute(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')

    def stop(self) -> None:
        """Cuts all connections and ends in order."""
        self._children.stop("postgres", signal_number=2)  # SIGINT: its "fast" shutdown

    def kill(self) -> None:
        """SIGQUIT, its "immediate" shutdown: the next start recovers from the log."""
        self._children.stop("postgres", signal_number=3)

    def close(self) -> None:
        self._children.close()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _initialize(self) -> None:
        argv: list[str | Path] = [
            self._programs.folder / "initdb",
            "-D",
            self._data,
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
        ]
        user, group = self._account or (None, None)
        done = subprocess.run(
            [*argv, "--no-sync", "--no-instructions"],
            env=self._programs.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            user=user,
            group=group,
            extra_groups=[] if self._account else None,
        )
        if done.returncode != 0:
            raise ToolFailed(f"initdb failed: {done.stderr.strip()}")

    def _url(self, database: str, *, driver: str = "postgresql+psycopg") -> str:
        return f"{driver}://{USER}@127.0.0.1:{self.port}/{database}"

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._url("postgres", driver="postgresql"), autocommit=True) as connection:
            connection.execute(statement.encode())


def _unprivileged() -> tuple[int, int]:
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    return 65534, 65534
