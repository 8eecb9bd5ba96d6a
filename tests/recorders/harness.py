"""An uploader and recorders in processes of their own, with users and rights of their own, and the verdict."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.uploader.spools import SpoolFolder
from tests.waiting import SOON

RECORDER = 12_345
"""The user of a recorder that is not the uploader's."""
HERE = Path(__file__).parent


class Talker:
    """A process that answers each line with a line."""

    def __init__(self, command: list[str], **more: Any) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
        )

    def hear(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            raise AssertionError(self.process.stderr.read()[-3000:])
        return line.strip()

    def say(self, word: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def end(self) -> None:
        if self.process.returncode is not None:
            return
        try:
            self.process.communicate(timeout=SOON)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise


@dataclass
class Recorder:
    """A recorder at work."""

    talker: Talker
    program: str
    stem: str
    folder: str
    """Relative to the spool."""
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 by path, relative to the spool; known once it has ended."""
    closed: set[str] = field(default_factory=set)
    """Those that it has closed for good before."""

    def go_on(self) -> bool:
        """Until its next silence, or its end; whether it is silent."""
        said = json.loads(self.talker.hear())
        if isinstance(said, list):
            self.closed = {f"{self.folder}{name}" for name in said}
            return True
        self.files = {f"{self.folder}{name}": digest for name, digest in said.items()}
        self.talker.end()
        return False


@dataclass
class Site:
    """A spool, its uploader, and its recorders."""

    spool: SpoolFolder
    start: Callable[[], Talker]
    """Starts an uploader."""
    uploader: Talker
    user: int
    namespace: list[str]
    """What comes before the command of a process that is to see the same mounts."""
    recorders: list[Recorder] = field(default_factory=list)
    _digests: dict[str, str] = field(default_factory=dict)
    """Of objects, by key: none is ever overwritten."""

    def record(self, program: str, stem: str, *, folder: str = "") -> Recorder:
        """Start one of the programs; it is silent, or has ended, only once `go_on` says so."""
        command = [sys.executable, str(HERE / "programs.py"), program, str(self.spool.root / folder), stem]
        user = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"] if self.user else []
        recorder = Recorder(Talker([*self.namespace, *user, *command]), program, stem, folder)
        self.recorders.append(recorder)
        return recorder

    def restart(self) -> None:
        """Another uploader goes on with the spool; what is done until it comes, nobody sees."""
        self.uploader.end()
        self.uploader = self.start()

    def ask(self, word: str = "") -> dict[str, Any]:
        """How everything stands, after everything was looked at; `word` is one of the uploader's process."""
        self.uploader.say(word)
        answer: dict[str, Any] = json.loads(self.uploader.hear())
        return answer

    def stored(self) -> dict[str, list[str]]:
        """SHA-256 of the objects of each file."""
        found: dict[str, list[str]] = {}
        for receipt in self.spool.receipts:
            found.setdefault(receipt["file"], []).append(receipt["sha256"])
        keys = self.spool.bucket.keys()
        for key in keys:
            if key not in self._digests:
                self._digests[key] = hashlib.sha256(self.spool.bucket.read(key)).hexdigest()
        stored = sorted(self._digests[key] for key in keys)
        # a receipt follows its object
        assert not [digest for digests in found.values() for digest in digests if digest not in stored]
        assert len(stored) == len(set(stored))
        return found

    def verdict(self) -> set[str]:
        """Each object is a whole final file, once, or the file is told; the paths of what is told."""
        final = {path: digest for recorder in self.recorders for path, digest in recorder.files.items()}
        deadline = time.monotonic() + SOON
        while True:
            answer = self.ask()
            there = self._there() & set(final)
            if there <= set(answer["told"]) | _parked(answer):
                break
            assert time.monotonic() < deadline, (there, answer)
        stored = self.stored()
        assert stored == {path: [digest] for path, digest in final.items() if path not in there}
        return there

    def nothing_is_taken(self, word: str = "") -> None:
        """While they are at work; what has ended already may be."""
        answer = self.ask(word)
        ended = {path for recorder in self.recorders for path in recorder.files.keys() | recorder.closed}
        early = (set(self.stored()) | set(answer["states"])) - ended
        assert not early, (early, [(one.program, one.stem) for one in self.recorders if not one.files], answer)

    def _there(self) -> set[str]:
        """Files that are left, as the recorders see them."""
        command = [*self.namespace, "find", str(self.spool.root), "-type", "f", "-printf", "%P\n"]
        return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines())


def _parked(answer: Mapping[str, Any]) -> set[str]:
    return {path for path, state in answer["states"].items() if state == "parked"}


@contextmanager
def site(spool_of: Any, *, lease: bool, same_user: bool, mount: str = "", settle: float = 0.0) -> Iterator[Site]:
    """An uploader on a spool that recorders of any user may write to.

    Args:
        spool_of: makes a SpoolFolder of a path.
        lease: it may ask for a lease of any file; else it has no capability at all.
        same_user: recorders are of its own user.
        mount: a volume of its own is mounted there, in a folder of the spool.
        settle: seconds.
    """
    with ExitStack() as stack:
        base = Path(tempfile.mkdtemp(prefix="recorders-"))  # pytest's own folders are closed to other users
        stack.callback(shutil.rmtree, base)
        base.chmod(0o755)
        spool = spool_of(base / "spool")
        spool.root.chmod(0o777)
        if mount:
            (spool.root / mount).mkdir()
        rights = [] if lease else ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
        command = [
            *rights, sys.executable, "-m", "tests.recorders.uploader_process",
            str(spool.root), str(spool.config), str(settle),
        ]  # fmt: skip
        if mount:
            target = spool.root / mount
            script = f'mount -t tmpfs -o mode=777 tmpfs {target} && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", script, "sh", *command]

        def start() -> Talker:
            uploader = Talker(command, env={**os.environ, "PYTHONPATH": str(HERE.parent.parent)})
            stack.callback(uploader.end)
            assert uploader.hear() == "ready"
            return uploader

        uploader = start()
        namespace = ["nsenter", f"--mount=/proc/{uploader.process.pid}/ns/mnt"] if mount else []
        yield Site(spool, start, uploader, 0 if same_user else RECORDER, namespace)
