"""The real store and the real operator as processes, and what tests ask of them."""

import json
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from tests.tools.ports import free_ports
from tests.waiting import SOON

COMMAND = [sys.executable, "-m", "recording_storage.cli.main"]


class Part:
    """A process that says when it is ready; its output is kept."""

    def __init__(self, argv: Sequence[str], *, folder: Path, name: str, ready: str, stdout: bool) -> None:
        self._argv = [*COMMAND, *argv]
        self._folder = folder
        self._name = name
        self._ready = ready
        self._stdout = stdout
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.output: list[str] = []

    def start(self) -> None:
        self.launch()
        self.wait_for(self._ready)

    def launch(self) -> None:
        """Starts it and doesn't wait."""
        self._lines = queue.Queue()
        self._process = subprocess.Popen(
            self._argv,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        threading.Thread(target=self._read, args=(self._process, self._lines), daemon=True).start()

    def _read(self, process: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line)
            lines.put(line)
        lines.put(None)

    def wait_for(self, text: str, *, timeout: float = SOON) -> str:
        """The next line with the text."""
        while True:
            try:
                line = self._lines.get(timeout=timeout)
            except queue.Empty:
                raise AssertionError(f"{self._name} did not say {text!r}:\n{self.log}") from None
            if line is None:
                raise AssertionError(f"{self._name} has ended:\n{self.log}")
            if text in line:
                return line

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return "".join(self.output)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM, *, within: float = SOON) -> int:
        """Ends it, and gives the exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"{self._name} has not ended within {within:.0f} s:\n{self.log}") from None

    def ended(self, *, within: float = SOON) -> int:
        """Waits until it ends by itself, and gives the exit code."""
        assert self._process is not None
        return self._process.wait(timeout=within)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


class Store(Part):
    """`recording-storage store` on SQLite, on ports that stay."""

    def __init__(self, folder: Path, *, allow: Sequence[str], more: Sequence[str] = ()) -> None:
        self.folder = folder
        public, internal = free_ports(2)
        self.url, self.internal_url = f"http://127.0.0.1:{public}", f"http://127.0.0.1:{internal}"
        self.token_file = folder / "token"
        self._options = [
            "store",
            "--database",
            f"sqlite:///{folder}/store.db",
            "--master-key-file",
            str(folder / "master.key"),
            "--create-master-key",
            "--media",
            str(folder / "media"),
        ]
        listen = ["--listen", f"127.0.0.1:{public}", "--internal-listen", f"127.0.0.1:{internal}"]
        allowed = [word for endpoint in allow for word in ("--allow-endpoint", endpoint)]
        super().__init__(
            [*self._options, *listen, *allowed, *more], folder=folder, name="store", ready="listening", stdout=True
        )

    def start(self) -> None:
        super().start()
        if not self.token_file.exists():
            self.token_file.write_text(self._command("create-token", "--admin")["token"])

    def count_accounts(self) -> int:
        """All that have ever been opened."""
        with closing(sqlite3.connect(f"file:{self.folder}/store.db?mode=ro", uri=True)) as database:
            found: int = database.execute("SELECT count(*) FROM accounts").fetchone()[0]
        return found

    def create_account(self) -> dict[str, str]:
        """One of the store's own: `account_sid` and `auth_token`, as the command prints them."""
        return self._command("create-account", "--friendly-name", "made by hand")

    def _command(self, name: str, *options: str) -> dict[str, str]:
        argv = [*COMMAND, "store", name, *self._options[1:5], *options, "--json"]
        made = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        found: dict[str, str] = json.loads(made.stdout)
        return found

    def internal(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token_file.read_text()}"}
        answer = httpx.request(
            method, f"{self.internal_url}/internal/v1{path}", headers=headers, json=body, timeout=SOON
        )
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def public(self, key: tuple[str, str], method: str, path: str, form: dict[str, str] | None = None) -> Any:
        answer = httpx.request(method, self.url + path, auth=key, data=form, timeout=30)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def everything(self) -> bytes:
        """All that its database files hold."""
        return b"".join(path.read_bytes() for path in self.folder.glob("store.db*"))


class Operator(Part):
    """`recording-storage operator` against the cluster and a store."""

    def __init__(self, folder: Path, *, kubeconfig: Path, store: Store | None, more: Sequence[str] = ()) -> None:
        argv = ["operator", "--kubeconfig", str(kubeconfig)]
        if store is not None:
            argv += ["--store-url", store.url, "--internal-url", store.internal_url]
            argv += ["--token-file", str(store.token_file)]
        super().__init__([*argv, *more], folder=folder, name="operator", ready="operator: ready", stdout=False)
