"""The parent's end of `supervisor.py`: processes that never outlive this one."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.tools.errors import ToolFailed

_SCRIPT = Path(__file__).with_name("supervisor.py")


class Children:
    """A group of processes that is stopped as a whole; safe to use from several threads."""

    def __init__(self, *, remove: Sequence[Path] = (), within: Sequence[str | Path] = ()) -> None:
        """`within` is a command that runs the one that follows it, such as unshare: all of them live in its world."""
        self._lock = threading.Lock()
        self._supervisor = subprocess.Popen(
            [*within, sys.executable, "-I", "-S", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # the terminal's Ctrl-C reaches us first, and we close in order
        )
        for folder in remove:
            self.remove_at_end(folder)

    @property
    def pid(self) -> int:
        """Of the supervisor, or of the command that it is within."""
        return self._supervisor.pid

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: tuple[int, int] | None = None,
    ) -> int:
        """Starts `argv` with its output appended to `log`, as (uid, gid) `user` if given; returns its pid."""
        command: dict[str, Any] = {"do": "start", "name": name, "argv": [str(a) for a in argv], "log": str(log)}
        command["env"] = dict(os.environ if env is None else env)
        if cwd is not None:
            command["cwd"] = str(cwd)
        if user is not None:
            command["uid"], command["gid"] = user
        return int(self._ask(command))

    def exit_code(self, name: str) -> int | None:
        """None while it runs."""
        code: int | None = self._ask({"do": "poll", "name": name})
        return code

    def stop(self, name: str, *, signal_number: int = signal.SIGTERM, grace: float = 5.0) -> int:
        return int(self._ask({"do": "stop", "name": name, "signal": int(signal_number), "grace": grace}))

    def remove_at_end(self, folder: Path) -> None:
        self._ask({"do": "remove", "path": str(folder)})

    def close(self) -> None:
        """Stops all that runs and waits for it; a second call does nothing."""
        with self._lock:
            if self._supervisor.stdin is not None and not self._supervisor.stdin.closed:
                self._supervisor.stdin.close()
            self._supervisor.wait()
            if self._supervisor.stdout is not None:
                self._supervisor.stdout.close()

    def _ask(self, command: dict[str, Any]) -> Any:
        with self._lock:
            assert self._supervisor.stdin is not None
            assert self._supervisor.stdout is not None
            try:
                self._supervisor.stdin.write(json.dumps(command).encode() + b"\n")
                self._supervisor.stdin.flush()
                line = self._supervisor.stdout.readline()
            except (BrokenPipeError, ValueError) as error:
                raise ToolFailed("the supervisor of the test's processes is gone") from error
        if not line:
            raise ToolFailed("the supervisor of the test's processes is gone")
        answer = json.loads(line)
        if "error" in answer:
            raise ToolFailed(answer["error"])
        return answer["ok"]
