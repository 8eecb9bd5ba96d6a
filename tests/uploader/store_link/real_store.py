"""The real settings store in a process of its own, on SQLite, with one account and its tokens."""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.waiting import SOON

PROGRAM = Path(sys.executable).with_name("recording-storage")


class RealStore:
    """Everything lies in `folder`; `start` after `stop` or `kill` brings it back on the same ports."""

    def __init__(self, folder: Path, *, allow_endpoints: Sequence[str] = ()) -> None:
        self.folder = folder
        self._allow = [option for endpoint in allow_endpoints for option in ("--allow-endpoint", endpoint)]
        self._ports = ("0", "0")
        self._process: subprocess.Popen[str] | None = None
        self.public = self.internal = ""
        self.start()
        opened = self._tool("create-account", "--friendly-name", "link tests")
        self.account: str = opened["account_sid"]
        self._auth_token: str = opened["auth_token"]
        self.token: str = self._tool("create-token", "--account", self.account)["token"]
        self.admin_token: str = self._tool("create-token", "--admin")["token"]

    def start(self) -> None:
        argv: list[str | Path] = [PROGRAM, "store", "--listen", f"127.0.0.1:{self._ports[0]}"]
        argv += ["--internal-listen", f"127.0.0.1:{self._ports[1]}", "--media", self.folder / "media"]
        argv += [*self._shared(), "--create-master-key", *self._allow]
        with (self.folder / "store.log").open("a") as log:
            self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (self.folder / "store.log").read_text()
        listening = json.loads(line)["listening"]
        self.public, self.internal = listening["public"], listening["internal"]
        self._ports = (self.public.rsplit(":", 1)[1], self.internal.rsplit(":", 1)[1])

    def stop(self, *, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(SOON)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None

    def post(self, path: str, **form: str) -> Any:
        """The public API, as the account's owner."""
        return self._public("POST", path, urllib.parse.urlencode(form).encode())

    def get(self, path: str) -> Any:
        return self._public("GET", path, None)

    def operator(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """The internal API, as the operator."""
        request = urllib.request.Request(
            f"{self.internal}/internal/v1{path}",
            method=method,
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.admin_token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=SOON) as answer:
            return json.load(answer)

    def _public(self, method: str, path: str, body: bytes | None) -> Any:
        basic = base64.b64encode(f"{self.account}:{self._auth_token}".encode()).decode()
        request = urllib.request.Request(
            f"{self.public}{path}", method=method, data=body, headers={"Authorization": f"Basic {basic}"}
        )
        with urllib.request.urlopen(request, timeout=SOON) as answer:
            return json.load(answer)

    def _tool(self, *arguments: str) -> Any:
        argv = [PROGRAM, "store", arguments[0], *self._shared(), *arguments[1:], "--json"]
        return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True, env=os.environ).stdout)

    def _shared(self) -> list[str | Path]:
        database = f"sqlite:///{self.folder / 'store.db'}"
        return ["--database", database, "--master-key-file", self.folder / "master.key"]
