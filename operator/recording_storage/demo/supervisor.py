"""The processes of the demo: started in any order, watched, stopped in reverse."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from recording_storage.demo.errors import DemoError

GRACE = 10.0
"""Seconds that a part has to end by itself."""
TAIL_LINES = 12


@dataclass
class Part:
    name: str
    process: subprocess.Popen[bytes]
    log: Path
    address: str = ""
    reader: threading.Thread | None = None
    """Passes its standard error on."""

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def ended(self, code: int) -> DemoError:
        """Its last line is its reason; where that came with a traceback, there is more to see."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        why = lines[-1].strip() if lines else "it has said nothing"
        details = "\n".join(f"  {line}" for line in lines) if any("Traceback" in line for line in lines) else ""
        return DemoError(f"the {self.name} has ended with code {code}: {why}", details=details)


class Supervisor:
    """Children get a session of their own, so that a Ctrl-C reaches the demo alone and it can stop them in order.

    What they leave in their temporary folder goes with the demo's, even if they are killed.
    """

    def __init__(self, folder: Path, *, lock: int) -> None:
        """`lock` is a file descriptor that each child gets: what it locks is in use until the last has ended."""
        self._lock = lock
        self._logs = folder / "logs"
        self._temporary = folder / "tmp"
        for each in (self._logs, self._temporary):
            each.mkdir(parents=True, exist_ok=True)
        self.parts: list[Part] = []

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        tell: Callable[[str], None] | None = None,
        pipe_output: bool = False,
    ) -> Part:
        """Call from the main thread: the kernel ends a child when the *thread* that started it ends.

        `tell` gets each line of its standard error, as well as the log; `pipe_output` keeps its standard output for
        the caller to read (`part.process.stdout`).
        """
        log = self._logs / f"{name}.log"
        with log.open("ab") as sink:
            errors = subprocess.PIPE if tell else sink
            process = subprocess.Popen(  # noqa: S603 - the demo's own commands
                [sys.executable, "-m", "recording_storage.demo.child", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if pipe_output else sink,
                stderr=errors,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(self._temporary)},
                cwd=cwd,
                start_new_session=True,
                pass_fds=(self._lock,),
            )
        part = Part(name=name, process=process, log=log)
        if tell and process.stderr is not None:
            part.reader = threading.Thread(target=_pass_on, args=(process.stderr, log, tell), daemon=True)
            part.reader.start()
        self.parts.append(part)
        return part

    def require_running(self) -> None:
        """Raise DemoError with its last words when a part has ended by itself."""
        for part in self.parts:
            code = part.process.poll()
            if code is not None:
                if part.reader is not None:
                    part.reader.join(timeout=2)  # its last words may still be on their way into the log
                raise part.ended(code)

    def stop(self) -> None:
        """Ask each to end, last started first; kill what does not within its grace."""
        for part in reversed(self.parts):
            if part.running:
                with contextlib.suppress(ProcessLookupError):
                    part.process.send_signal(signal.SIGTERM)
                with contextlib.suppress(BrokenPipeError, OSError):
                    if part.process.stdin is not None:
                        part.process.stdin.close()
            deadline = time.monotonic() + GRACE
            with contextlib.suppress(subprocess.TimeoutExpired):
                part.process.wait(timeout=max(0.0, deadline - time.monotonic()))
            if part.running:
                part.process.kill()
                part.process.wait()
            if part.process.stdout is not None:
                part.process.stdout.close()
        self.parts.clear()


def _pass_on(source: IO[bytes], log: Path, tell: Callable[[str], None]) -> None:
    """A part's own words to the person, without spoiling the picture that is on the terminal."""
    with log.open("ab") as sink:
        for line in source:
            sink.write(line)
            sink.flush()
            tell(line.decode(errors="replace").rstrip())
