"""Beside a recorder: whatever is missing or wrong is told and waited for, and only SIGTERM ends it."""

import json
import os
import shutil
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recording_storage.uploader.core.status import BlockedReason
from tests.tools.pki import Authority
from tests.tools.ports import free_port
from tests.uploader.spools import SpoolFolder
from tests.uploader.store_link.fake_store import FakeStore
from tests.uploader.test_service import fetch, lines_of
from tests.waiting import SOON, eventually

pytestmark = pytest.mark.slow
NOBODY = 65534


@dataclass
class Place:
    """Where an uploader may run that is not root, with a volume of its own."""

    spool: SpoolFolder
    volume: Path
    port: int = field(default_factory=free_port)

    @contextmanager
    def sidecar(self, *arguments: str, before: Sequence[str] = ()) -> Iterator["subprocess.Popen[str]"]:
        argv = [*before, *self.spool.command(), "--sidecar", "--metrics-listen", f"127.0.0.1:{self.port}", *arguments]
        child = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
            child.stderr.close()

    def reasons(self) -> list[str]:
        """Why it is blocked, by its metrics."""
        lines = fetch(self.port, "/metrics").splitlines()
        return [
            reason
            for reason in BlockedReason
            if f'recording_storage_uploader_blocked{{reason="{reason}"}} 1.0' in lines
        ]


def mount(path: Path, options: str) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no right to mount a volume here")


@pytest.fixture
def place(quick: SpoolFolder) -> Iterator[Place]:
    """On a small volume; below a folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="recording-storage-sidecar-"))
    folder.chmod(0o755)
    volume = folder / "volume"
    volume.mkdir()
    mount(volume, "size=2m,mode=0777")
    try:
        spool = SpoolFolder(volume / "spool", quick.bucket)
        spool.root.chmod(0o777)
        yield Place(spool, volume)
    finally:
        subprocess.run(["umount", "-l", volume], check=True)
        shutil.rmtree(folder)


def newer_journal(place: Place) -> Callable[[], None]:
    place.spool.once()  # makes the journal
    place.spool.put("call.wav")
    database = place.spool.root / ".recording-storage" / "journal.db"

    def set_version(number: int) -> None:
        connection = sqlite3.connect(database)
        connection.execute("UPDATE meta SET value=? WHERE key='oldest_schema'", [str(number)])
        connection.execute(f"PRAGMA user_version={number}")
        connection.commit()
        connection.close()

    connection = sqlite3.connect(database)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    set_version(1000)
    return lambda: set_version(version)


def full(place: Place) -> Callable[[], None]:
    filler = place.volume / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler.unlink


def full_with_a_journal(place: Place) -> Callable[[], None]:
    place.spool.once()
    place.spool.put("call.wav")
    (place.spool.root / ".recording-storage" / "journal.db").unlink()  # it is begun anew, for which there is no room
    return full(place)


def read_only(place: Place) -> Callable[[], None]:
    subprocess.run(["mount", "-o", "remount,ro", place.volume], check=True)
    return lambda: subprocess.run(["mount", "-o", "remount,rw", place.volume], check=True) and None


def no_folder(place: Place) -> Callable[[], None]:
    away = place.volume / "away"
    place.spool.root.rename(away)
    return lambda: away.rename(place.spool.root) and None


def no_configuration(place: Place) -> Callable[[], None]:
    place.spool.config.unlink()
    return place.spool.write_config


def bad_configuration(place: Place) -> Callable[[], None]:
    place.spool.config.write_text("destination: {}")
    return place.spool.write_config


@dataclass(frozen=True)
class Case:
    name: str
    breaks: Callable[[Place], Callable[[], None]]
    """Gives what mends it."""
    reason: BlockedReason
    words: str


CASES = (
    Case("a folder that is not there", no_folder, BlockedReason.SPOOL, "No such file"),
    Case("a volume that is full", full, BlockedReason.SPOOL, "No space left"),
    Case("a volume that has filled since", full_with_a_journal, BlockedReason.JOURNAL, "full"),
    Case("a volume that is read-only", read_only, BlockedReason.SPOOL, "Read-only"),
    Case("a newer journal", newer_journal, BlockedReason.NEWER_JOURNAL, "run the newer version"),
    Case("no configuration", no_configuration, BlockedReason.CONFIGURATION, "No such file"),
    Case("a bad configuration", bad_configuration, BlockedReason.CONFIGURATION, "destination.url is missing"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_tells_waits_and_comes_by_itself_when_mended(place: Place, case: Case) -> None:
    place.spool.put("call.wav")
    mend = case.breaks(place)
    with place.sidecar() as child:
        lines_of(child, case.words)
        assert place.reasons() == [case.reason]
        mend()
        lines_of(child, "stored call.wav")
        assert place.reasons() == []
        child.terminate()
        assert child.wait(SOON) == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_sigterm_ends_it_while_it_waits(place: Place, case: Case) -> None:
    mend = case.breaks(place)
    with place.sidecar() as child:
        lines_of(child, case.words)
        child.terminate()
        assert child.wait(SOON) == 0
    mend()


def test_a_spool_of_somebody_else_s(place: Place) -> None:
    """As an injected uploader beside a recorder that runs as root: it has root's id and no capability."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can run it without its rights")
    place.spool.put("call.wav")
    os.chown(place.spool.root, NOBODY, NOBODY)
    place.spool.root.chmod(0o755)
    with place.sidecar(before=["setpriv", "--bounding-set=-all", "--inh-caps=-all"]) as child:
        lines_of(child, "Permission denied")
        assert place.reasons() == [BlockedReason.SPOOL]
        place.spool.root.chmod(0o777)
        lines_of(child, "stored call.wav")
        child.terminate()
        assert child.wait(SOON) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--grace", "soon"), "soon"),
        (("--nonsense",), "--nonsense"),
        (("--once",), "--once"),
        (("--account", "x"), "x"),
    ],
)
def test_arguments_that_nobody_can_mend_are_told_and_end_nothing(
    place: Place, arguments: tuple[str, ...], words: str
) -> None:
    with place.sidecar(*arguments) as child:
        lines_of(child, words)
        assert child.poll() is None
        child.terminate()
        assert child.wait(SOON) == 0


def test_what_the_pod_asks_for_counts_and_what_can_t_be_used_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECORDING_STORAGE_SPOOL_SPEC", '{"completion": {"mode": "Marker", "settle": "soon"}}')
    monkeypatch.setenv("RECORDING_STORAGE_IGNORED_ANNOTATIONS", "recordingstorage.dev/run-as")
    place.spool.put("unfinished.wav")
    place.spool.put("call.wav")
    (place.spool.root / "call.wav.done").touch()
    with place.sidecar() as child:
        lines_of(child, "completion.settle: 'soon' is no duration")
        lines_of(child, "annotation recordingstorage.dev/run-as can't be used")
        lines_of(child, "stored call.wav")
        eventually(lambda: place.spool.media() == ["unfinished.wav"], what="only what has no marker is left")


def test_a_metrics_port_that_is_taken_costs_the_metrics_only(place: Place) -> None:
    place.spool.put("call.wav")
    with place.sidecar() as first:
        lines_of(first, "stored call.wav")
        with place.sidecar() as second:
            lines_of(second, "no metrics are served")
            lines_of(second, "standing by")
            first.terminate()
            lines_of(second, "taking over")


def test_a_defect_begins_a_new_process_under_the_same_id(place: Place, tmp_path: Path) -> None:
    place.spool.put("call.wav")
    marker = tmp_path / "it has failed"
    program = f"""
        import sys
        from pathlib import Path
        from recording_storage.cli.main import main
        from recording_storage.uploader import service

        service.PAUSE = 0.1
        marker, begin = Path({str(marker)!r}), service.Uploader

        def defective(*arguments, **named):
            if marker.exists():
                return begin(*arguments, **named)
            marker.touch()
            raise ZeroDivisionError("a defect")

        service.Uploader = defective
        sys.argv = ["recording-storage", *sys.argv[1:]]
        main()
    """
    arguments = place.spool.command("--sidecar")[3:]
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *arguments], stderr=subprocess.PIPE, text=True
    )
    try:
        lines_of(child, "ZeroDivisionError: a defect")
        lines_of(child, "stored call.wav")
        child.terminate()
        assert child.wait(SOON) == 0
    finally:
        child.kill()
        child.wait()
        assert child.stderr is not None
        child.stderr.close()


@dataclass
class Link:
    """What a sidecar with a store needs; each of it may be missing."""

    folder: Path
    authority: Authority
    port: int = field(default_factory=free_port)

    @property
    def token(self) -> Path:
        return self.folder / "token"

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def write_token(self) -> None:
        self.token.write_text(FakeStore.token)

    def write_ca(self) -> None:
        self.ca.write_bytes(self.authority.certificate_file.read_bytes())

    @contextmanager
    def store(self) -> Iterator[FakeStore]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue("store", common_name="store"))
        store = FakeStore(self.port, tls=context)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def sidecar(self, *arguments: str, ca: str = "") -> Iterator["subprocess.Popen[str]"]:
        argv = [sys.executable, "-m", "recording_storage.cli.main", "uploader", "--sidecar", "--spool"]
        argv += [str(self.folder), "--store", f"https://127.0.0.1:{self.port}", "--token-file", str(self.token)]
        environment = {**os.environ, "RECORDING_STORAGE_CA": ca}
        child = subprocess.Popen([*argv, *arguments], stderr=subprocess.PIPE, text=True, env=environment)
        try:
            yield child
        finally:
            child.kill()
            child.wait()
            assert child.stderr is not None
            child.stderr.close()

    def told_by_status(self) -> str:
        """What the uploader says of the store."""
        argv = [sys.executable, "-m", "recording_storage.cli.main", "status", "--spool", str(self.folder), "--json"]
        answer = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True, timeout=SOON).stdout)
        assert answer["running"]
        return str(answer["store"]["error"])


@pytest.fixture
def link(tmp_path: Path) -> Link:
    (tmp_path / "spool").mkdir()
    return Link(tmp_path / "spool", Authority(tmp_path / "pki"))


def test_no_token_no_authority_and_no_store_are_told_one_after_the_other(link: Link) -> None:
    with link.sidecar("--ca-file", str(link.ca)) as child:
        lines_of(child, f"the token file {link.token} can't be read")
        assert "token file" in link.told_by_status()
        link.write_token()
        lines_of(child, f"the CA file {link.ca} can't be used")
        assert "CA file" in link.told_by_status()
        link.ca.write_text("no certificate")
        link.write_ca()
        lines_of(child, "Connection refused")
        with link.store():
            lines_of(child, "in touch with the store")
            assert link.told_by_status() == ""
            child.terminate()
            assert child.wait(SOON) == 0


@pytest.mark.parametrize("missing", ["token", "CA", "store"])
def test_sigterm_ends_it_while_it_waits_for_the_store(link: Link, missing: str) -> None:
    words = {"token": "token file", "CA": "CA file", "store": "Connection refused"}
    for thing, write in (("token", link.write_token), ("CA", link.write_ca)):
        if thing != missing:
            write()
    with link.sidecar("--ca-file", str(link.ca)) as child:
        lines_of(child, words[missing])
        child.terminate()
        assert child.wait(SOON) == 0


def test_the_authority_may_stand_in_the_environment(link: Link) -> None:
    link.write_token()
    with link.store():
        with link.sidecar(ca=link.authority.certificate_file.read_text()) as child:
            lines_of(child, "in touch with the store")
        with link.sidecar(ca="no certificate") as child:
            lines_of(child, "the CA certificate that was given can't be used")
        with link.sidecar() as child:
            lines_of(child, "its certificate is not trusted")


def test_an_address_of_the_store_that_is_none_is_told(link: Link) -> None:
    with link.sidecar("--store", "store") as child:
        lines_of(child, "--store 'store' is no address of a store")
        child.terminate()
        assert child.wait(SOON) == 0
