"""Holds the processes that a test started and ends them when the test process is gone, however it went.

Run as a script of its own, standard library only: `python -I -S supervisor.py`. It reads one JSON command a line from
its stdin and answers each with one line on its stdout. The end of stdin is the end of the parent, since the kernel
closes the pipe of a process that was SIGKILLed too: then all children are stopped, youngest first, and the given
folders removed.
`tests.tools.children` is the other end.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

Command = dict[str, Any]


def _die_with_supervisor() -> None:
    """Runs in the child: whoever SIGKILLs the supervisor takes its children along."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Supervisor:
    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._folders: list[str] = []
        self._parent = os.getppid()

    def serve(self) -> None:
        buffer = b""
        while os.getppid() == self._parent:  # a fork of the parent may still hold the pipe open
            if not select.select([0], [], [], 1.0)[0]:
                continue
            data = os.read(0, 65536)
            if not data:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                os.write(1, json.dumps(self._answer(json.loads(line))).encode() + b"\n")

    def _answer(self, command: Command) -> Command:
        try:
            return {"ok": getattr(self, f"do_{command['do']}")(command)}
        except (OSError, KeyError, subprocess.SubprocessError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def do_start(self, command: Command) -> int:
        with open(command["log"], "ab") as log:  # noqa: PTH123 - pathlib would double the start of this script
            process = subprocess.Popen(
                command["argv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=command.get("cwd"),
                env=command.get("env"),
                start_new_session=True,
                preexec_fn=_die_with_supervisor,  # noqa: PLW1509 - one thread only here
                **({"user": command["uid"], "group": command["gid"], "extra_groups": []} if "uid" in command else {}),
            )
        self._children[command["name"]] = process
        return process.pid

    def do_poll(self, command: Command) -> int | None:
        return self._children[command["name"]].poll()

    def do_stop(self, command: Command) -> int:
        """Sends `signal`, after `grace` seconds SIGKILL; answers with the exit code."""
        return _stop(self._children.pop(command["name"]), command["signal"], command["grace"])

    def do_remove(self, command: Command) -> None:
        self._folders.append(command["path"])

    def close(self) -> None:
        for name in reversed(list(self._children)):
            _stop(self._children.pop(name), signal.SIGTERM, 2.0)
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)


def _stop(process: subprocess.Popen[bytes], signal_number: int, grace: float) -> int:
    if process.returncode is not None:
        return process.returncode  # it was heard of long ago: by now its number may be another's
    deadline = time.monotonic() + grace
    if process.poll() is None:
        process.send_signal(signal_number)
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # whatever it left in its session, too
    return process.wait()


def _end(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipe
    signal.signal(signal.SIGTERM, _end)
    supervisor = Supervisor()
    try:
        supervisor.serve()
    except BrokenPipeError:
        pass  # the parent went between its question and our answer
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        supervisor.close()


if __name__ == "__main__":
    main()
