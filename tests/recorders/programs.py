"""Small recorders: the same system calls in the same order as real ones make. Run as a process of its own.

`python programs.py NAME FOLDER STEM`: where a real one is silent, it prints a JSON list of the files that it
has closed for good, and goes on after a line on its standard input; at the end it prints an object: the names of its
files and the SHA-256 of what they hold.
"""

# ruff: noqa: PTH101, PTH102, PTH103, PTH104, PTH108, PTH120, PTH211, T201 - the system calls are the point, and it talks
import contextlib
import ctypes
import hashlib
import json
import mmap
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator

Steps = Iterator[None]
"""One for each silence."""
Program = Callable[[str, "Sound"], Steps]

_OLD = 1_600_000_000.0
_NEW = os.O_CREAT | os.O_EXCL


class Sound:
    """What is recorded: the same for the same name."""

    def __init__(self, stem: str) -> None:
        self._random = random.Random(stem)
        self.files: dict[str, bytes] = {}
        self.closed: set[str] = set()
        """Those that nothing is done to any more but what doesn't touch what they hold."""

    def chunk(self, size: int = 3000) -> bytes:
        return self._random.randbytes(size)


def _write(fd: int, sound: Sound, name: str) -> None:
    chunk = sound.chunk()
    os.write(fd, chunk)
    sound.files[name] = sound.files.get(name, b"") + chunk


def header_at_close(stem: str, sound: Sound) -> Steps:
    """A wav writer: the header's sizes are known only at the end."""
    name = f"{stem}.wav"
    fd = os.open(name, _NEW | os.O_RDWR, 0o644)
    _write(fd, sound, name)
    yield
    _write(fd, sound, name)
    os.lseek(fd, 0, os.SEEK_SET)
    header = sound.chunk(44)
    os.write(fd, header)
    sound.files[name] = header + sound.files[name][44:]
    yield
    os.close(fd)


def hold(stem: str, sound: Sound) -> Steps:
    """A call on hold: silent, and open."""
    name = f"{stem}.wav"
    fd = os.open(name, _NEW | os.O_WRONLY, 0o644)
    for _ in range(3):
        _write(fd, sound, name)
        yield
    os.close(fd)


def reopened(stem: str, sound: Sound) -> Steps:
    """Closed at a transfer, opened again at once, and silent for a while."""
    name = f"{stem}.wav"
    for _ in range(2):
        fd = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        yield
        _write(fd, sound, name)
        os.close(fd)


def appended(stem: str, sound: Sound) -> Steps:
    """A bot: each chunk with an open and a close of its own."""
    name = f"{stem}.webm"
    for _ in range(10):
        fd = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        _write(fd, sound, name)
        os.close(fd)
    return
    yield


def renamed_while_open(stem: str, sound: Sound) -> Steps:
    """Janus: renamed, then closed."""
    temporary, name = f"{stem}.mjr.tmp", f"{stem}.mjr"
    fd = os.open(temporary, _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, name)
    yield
    os.rename(temporary, name)
    yield
    _write(fd, sound, name)
    os.close(fd)


def renamed(stem: str, sound: Sound) -> Steps:
    """Written under a temporary name, which any reader leaves alone."""
    temporary, name = f"{stem}.mkv.part", f"{stem}.mkv"
    fd = os.open(temporary, _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, name)
    yield
    os.close(fd)
    os.rename(temporary, name)


def renamed_after_a_close(stem: str, sound: Sound) -> Steps:
    """Its own name is one that could be taken, for a moment."""
    first, name = f"{stem}.raw", f"{stem}.wav"
    fd = os.open(first, _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, name)
    yield
    os.close(fd)
    os.rename(first, name)


def linked(stem: str, sound: Sound) -> Steps:
    temporary, name = f".{stem}.new", f"{stem}.ogg"
    fd = os.open(temporary, _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, name)
    yield
    os.close(fd)
    os.link(temporary, name)
    os.unlink(temporary)


def linked_while_open(stem: str, sound: Sound) -> Steps:
    temporary, name = f".{stem}.new", f"{stem}.ogg"
    fd = os.open(temporary, _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, name)
    os.link(temporary, name)
    os.unlink(temporary)
    yield
    _write(fd, sound, name)
    os.close(fd)


def unnamed(stem: str, sound: Sound) -> Steps:
    """O_TMPFILE: a name only in the end, and closed after that."""
    name = f"{stem}.ogg"
    fd = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o644)
    _write(fd, sound, name)
    yield
    at_cwd, follow = -100, 0x400
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.linkat(at_cwd, f"/proc/self/fd/{fd}".encode(), at_cwd, name.encode(), follow) != 0:
        raise OSError(ctypes.get_errno(), "linkat")
    yield
    _write(fd, sound, name)
    os.close(fd)


def mapped(stem: str, sound: Sound) -> Steps:
    """Written through a mapping that outlives the descriptor."""
    name = f"{stem}.raw"
    content = bytearray(8192)
    fd = os.open(name, _NEW | os.O_RDWR, 0o644)
    os.ftruncate(fd, len(content))
    memory = mmap.mmap(fd, len(content))
    os.close(fd)
    for start in (0, 4096):
        memory[start : start + 4096] = content[start : start + 4096] = sound.chunk(4096)
        yield
    memory.close()
    sound.files[name] = bytes(content)


def preallocated(stem: str, sound: Sound) -> Steps:
    name = f"{stem}.mp4"
    fd = os.open(name, _NEW | os.O_WRONLY, 0o644)
    os.posix_fallocate(fd, 0, 1 << 20)
    _write(fd, sound, name)
    yield
    _write(fd, sound, name)
    os.ftruncate(fd, len(sound.files[name]))
    os.close(fd)


def copied(stem: str, sound: Sound) -> Steps:
    """`cp -p`: the times are the original's, set before the close."""
    name = f"{stem}.wav"
    fd = os.open(name, _NEW | os.O_WRONLY, 0o600)
    _write(fd, sound, name)
    yield
    _write(fd, sound, name)
    os.utime(fd, (_OLD, _OLD))
    os.fchmod(fd, 0o644)
    os.close(fd)


def copied_then_appended(stem: str, sound: Sound) -> Steps:
    """`cp -p`, then somebody adds to it at once, and takes his time."""
    name = f"{stem}.wav"
    fd = os.open(name, _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, name)
    os.utime(fd, (_OLD, _OLD))
    os.close(fd)
    fd = os.open(name, os.O_WRONLY | os.O_APPEND)
    yield
    _write(fd, sound, name)
    os.close(fd)


def synchronised(stem: str, sound: Sound) -> Steps:
    """rsync -t: a hidden name, then a rename; the time is the original's."""
    temporary, name = f".{stem}.wav.Xa81Qz", f"{stem}.wav"
    fd = os.open(temporary, _NEW | os.O_WRONLY, 0o600)
    _write(fd, sound, name)
    yield
    os.fchmod(fd, 0o644)
    os.close(fd)
    os.utime(temporary, (_OLD, _OLD))
    os.rename(temporary, name)


def second_writer(stem: str, sound: Sound) -> Steps:
    """Two have it open; the first to close it is not the last to write."""
    name = f"{stem}.wav"
    fd = os.open(name, _NEW | os.O_WRONLY | os.O_APPEND, 0o644)
    _write(fd, sound, name)
    other = os.open(name, os.O_WRONLY | os.O_APPEND)
    _write(other, sound, name)
    os.close(other)
    yield
    _write(fd, sound, name)
    os.close(fd)


def touched(stem: str, sound: Sound) -> Steps:
    """Somebody touches it while its call is on hold."""
    name = f"{stem}.wav"
    fd = os.open(name, _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, name)
    yield
    other = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK, 0o666)
    os.utime(other)
    os.close(other)
    yield
    _write(fd, sound, name)
    os.close(fd)


def rewritten(stem: str, sound: Sound) -> Steps:
    """Closed, then opened again to rewrite its header in place."""
    name = f"{stem}.wav"
    fd = os.open(name, _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, name)
    os.close(fd)
    fd = os.open(name, os.O_RDWR)
    yield
    header = sound.chunk(44)
    os.write(fd, header)
    sound.files[name] = header + sound.files[name][44:]
    os.close(fd)


def reserved(stem: str, sound: Sound) -> Steps:
    """An empty file keeps the name for a call that comes later."""
    name = f"{stem}.wav"
    os.close(os.open(name, _NEW | os.O_WRONLY, 0o644))
    yield
    fd = os.open(name, os.O_WRONLY)
    _write(fd, sound, name)
    yield
    _write(fd, sound, name)
    os.close(fd)


def secret(stem: str, sound: Sound) -> Steps:
    """Nobody else may read it before it is closed."""
    name = f"{stem}.wav"
    fd = os.open(name, _NEW | os.O_WRONLY, 0o600)
    _write(fd, sound, name)
    yield
    _write(fd, sound, name)
    os.close(fd)
    sound.closed.add(name)
    yield
    with contextlib.suppress(FileNotFoundError):  # an uploader that may read it has taken it by now
        os.chmod(name, 0o644)


def folder_renamed(stem: str, sound: Sound) -> Steps:
    """A whole folder comes at once, from one that is left alone."""
    os.mkdir(f".{stem}")
    for part in ("a.wav", "deep/b.wav"):
        os.makedirs(os.path.dirname(f".{stem}/{part}"), exist_ok=True)
        fd = os.open(f".{stem}/{part}", _NEW | os.O_WRONLY, 0o644)
        _write(fd, sound, f"{stem}/{part}")
        os.close(fd)
    yield
    os.rename(f".{stem}", stem)


def folder_of_its_own(stem: str, sound: Sound) -> Steps:
    """A folder for each call."""
    os.mkdir(stem)
    name = f"{stem}/call.wav"
    fd = os.open(name, _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, name)
    yield
    _write(fd, sound, name)
    os.close(fd)


def marked(stem: str, sound: Sound) -> Steps:
    """It says so itself."""
    name = f"{stem}.wav"
    fd = os.open(name, _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, name)
    yield
    _write(fd, sound, name)
    os.close(fd)
    os.close(os.open(f"{name}.done", _NEW | os.O_WRONLY, 0o644))


def killed(stem: str, sound: Sound) -> Steps:
    """kill -9 in mid-call: the kernel closes what it had open."""
    name = f"{stem}.wav"
    child = os.fork()
    if child == 0:
        fd = os.open(name, _NEW | os.O_WRONLY, 0o644)
        _write(fd, sound, name)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(1)
    os.waitpid(child, os.WUNTRACED)
    sound.files[name] = sound.chunk()
    yield
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def flood(stem: str, sound: Sound) -> Steps:
    """tmp and rename, as fast as it goes."""
    for number in range(4000):
        temporary, name = f"{stem}-{number}.tmp", f"{stem}-{number}.wav"
        fd = os.open(temporary, _NEW | os.O_WRONLY, 0o644)
        chunk = sound.files[name] = sound.chunk(50)
        os.write(fd, chunk)
        os.close(fd)
        os.rename(temporary, name)
    return
    yield


def new_folders(stem: str, sound: Sound) -> Steps:
    """One after the other, each with a file that is finished at once."""
    for number in range(20):
        os.mkdir(f"{stem}-{number}")
        name = f"{stem}-{number}/call.wav"
        fd = os.open(name, _NEW | os.O_WRONLY, 0o644)
        _write(fd, sound, name)
        os.close(fd)
    return
    yield


def odd(stem: str, sound: Sound) -> Steps:
    """What no uploader can take, and what becomes of it when somebody mends it."""
    closed = f"{stem}-closed"
    os.mkdir(closed, 0o700)
    fd = os.open(f"{closed}/call.wav", _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, f"{closed}/call.wav")
    os.close(fd)
    os.symlink(f"{closed}/call.wav", f"{stem}-link.wav")
    name = os.fsencode(stem) + b"-\xff.wav"
    fd = os.open(name, _NEW | os.O_WRONLY, 0o644)
    _write(fd, sound, f"{stem}-text.wav")
    os.close(fd)
    yield
    os.chmod(closed, 0o777)
    os.close(os.open(f"{closed}/call.wav.done", _NEW | os.O_WRONLY, 0o644))
    os.unlink(f"{stem}-link.wav")
    os.rename(name, f"{stem}-text.wav")


ALONE: dict[str, Program] = {each.__name__: each for each in (flood, new_folders, odd)}
"""Those that a test of their own wants."""
PROGRAMS: dict[str, Program] = {
    each.__name__: each
    for each in (
        header_at_close,
        hold,
        reopened,
        appended,
        renamed_while_open,
        renamed,
        renamed_after_a_close,
        linked,
        linked_while_open,
        unnamed,
        mapped,
        preallocated,
        copied,
        copied_then_appended,
        synchronised,
        second_writer,
        touched,
        rewritten,
        reserved,
        secret,
        folder_renamed,
        folder_of_its_own,
        marked,
        killed,
    )
}


def main(name: str, folder: str, stem: str) -> None:
    os.umask(0)
    os.chdir(folder)
    sound = Sound(stem)
    for _ in {**PROGRAMS, **ALONE}[name](stem, sound):
        print(json.dumps(sorted(sound.closed)), flush=True)
        sys.stdin.readline()
    print(json.dumps({path: hashlib.sha256(content).hexdigest() for path, content in sound.files.items()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
