"""The demo from its first process to its last word."""

import contextlib
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from recording_storage.demo import parts
from recording_storage.demo.errors import DemoError
from recording_storage.demo.folder import open_folder, remove_leftovers, require_space
from recording_storage.demo.kube import Kube, condition, wait_until
from recording_storage.demo.kubeconfig import copy_kubeconfig
from recording_storage.demo.outcome import Outcome, Proof
from recording_storage.demo.proof import prove
from recording_storage.demo.recorder import Recorder, left_out, own_files, takes
from recording_storage.demo.s3 import Customer, free_port, port_of
from recording_storage.demo.samples import (
    EXAMPLES,
    KINDS,
    NAMESPACE,
    OPERATOR,
    SETTINGS,
    SHORT_WINDOW,
    apply_samples,
    bucket_and_prefix,
    bucket_url,
    prepare_cluster,
    with_port,
)
from recording_storage.demo.supervisor import Supervisor
from recording_storage.demo.tokens import Tokens
from recording_storage.demo.view import Scene, View, open_view
from recording_storage.domain.amounts import format_bytes
from recording_storage.domain.states import FINAL, KEPT
from recording_storage.domain.system_errors import plain_reason
from recording_storage.terminal import Column, Row, lay_out, printable
from recording_storage.uploader.status.control_socket import ControlError, NobodyListensError, ask

READY_WITHIN = 120.0
RELEASED_WITHIN = 300.0
_LOOK_AT_CLUSTER_EVERY = 0.5


@dataclass(frozen=True)
class Options:
    media: Path | None = None
    """A folder of the person's own files."""
    kubeconfig: Path | None = None
    """Use this cluster; start none."""
    folder: Path | None = None
    """Working folder that stays; None: a temporary one that goes."""
    as_json: bool = False


class Demo:
    def __init__(self, options: Options, *, outcome: Outcome) -> None:
        """Take a folder; nothing is started yet. `outcome` is filled as the demo goes on. Raises DemoError."""
        parts.require_checkout()
        self._options = options
        self._outcome = outcome
        self._began = time.monotonic()
        self._view: View = open_view(quiet=options.as_json)
        self._scene = Scene()
        self._kube: Kube | None = None
        self._tokens: Tokens | None = None
        self._recorder: Recorder | None = None
        self._prepared = False
        self._looked_at_cluster = 0.0
        try:
            for left in remove_leftovers():
                self._view.say(f"removed {left}, which a demo that was killed had left")
            self._folder = open_folder(options.folder)
        except BaseException:
            self._view.close()
            raise
        self._supervisor = Supervisor(self._folder.root, lock=self._folder.lock)
        self._settings = EXAMPLES

    def run(self) -> None:
        """Everything, up to the summary. Raises DemoError with what went wrong."""
        try:
            self._run()
        except OSError as error:
            raise DemoError(f"{error.filename or 'the demo'}: {plain_reason(error)}") from None
        except (ClientError, BotoCoreError) as error:
            raise DemoError(f"the demo's S3 server refuses its administrator: {error}") from None
        finally:
            self._outcome.seconds = time.monotonic() - self._began

    def _run(self) -> None:
        media = own_files(self._options.media) if self._options.media else []
        require_space(self._folder.root, media=sum(path.stat().st_size for path in media))
        wanted = port_of(bucket_url())
        port = free_port(wanted)
        self._settings = with_port(port, folder=self._folder.root / "examples")
        if port != wanted:
            self._view.say(
                f"port {wanted} is taken: the bucket is at port {port}, and {self._settings} names it instead of "
                "docs/examples"
            )
        if self._options.media:
            self._tell_of(self._options.media)
        self._step("starting an API server and an S3 server")
        cluster = None if self._options.kubeconfig else parts.start_cluster(self._supervisor, tell=self._view.say)
        s3 = parts.start_s3(self._supervisor, port=port, folder=self._folder)
        kubeconfig = self._options.kubeconfig or parts.cluster_kubeconfig(cluster, alive=self._tick)  # type: ignore[arg-type]
        copy_kubeconfig(kubeconfig, self._folder.kubeconfig, namespace=NAMESPACE)
        kube = self._kube = Kube(self._folder.kubeconfig)
        kube.check()
        if self._options.kubeconfig:
            self._ask_for_room(kube)
        self._prepare(kube)
        self._tokens = Tokens(kube, operator=self._folder.operator_token, uploader=self._folder.uploader_token)
        self._tokens.start()
        self._step("starting the store, the operator and the uploader")
        ports = (free_port(0), free_port(0))
        identity = f"{NAMESPACE}:{OPERATOR}"
        parts.start_store(self._supervisor, folder=self._folder, ports=ports, allow=s3.address, operator=identity)
        parts.start_operator(self._supervisor, folder=self._folder, ports=ports, namespace=NAMESPACE)
        parts.start_uploader(self._supervisor, folder=self._folder, internal_port=ports[1])
        customer = Customer(s3.address)
        customer.wait_ready(deadline=time.monotonic() + 60, alive=self._tick)
        bucket, prefix = bucket_and_prefix(bucket_url(self._settings))
        keys = customer.prepare(bucket=bucket, prefix=prefix)
        self._step("applying docs/examples: account, key pair, credential, settings")
        apply_samples(kube, keys=keys, settings=self._settings)
        self._wait_ready()
        self._record(customer, bucket=bucket)
        self._outcome.complete = True

    def _tell_of(self, media: Path) -> None:
        if not own_files(media):
            self._view.say(f"{media} has no recordings")
        if others := left_out(media):
            self._view.say(
                f"left out, because an uploader leaves them alone (hidden, .tmp, .part, .done, .recording.json, or a "
                f"name that is no UTF-8): {', '.join(printable(path.name) for path in others[:5])}"
                f"{f' and {len(others) - 5} more' if len(others) > 5 else ''}"  # noqa: PLR2004 - as many as are named
            )

    def _prepare(self, kube: Kube) -> None:
        try:
            prepare_cluster(kube)
        finally:
            self._prepared = True  # even half of it is to be removed

    def stay(self) -> None:
        """Keep everything running and the view alive until the person has seen enough (KeyboardInterrupt)."""
        self._view.say("\n".join(self._next_steps()))
        self._scene.step = "everything keeps running; Ctrl-C stops it"
        while True:
            self._tick()
            time.sleep(0.2)

    def say(self, lines: str) -> None:
        """To the person, besides the picture; nothing, where that is empty."""
        if lines:
            self._view.say(lines)

    def close(self) -> None:
        """Stop all that was started and remove what was temporary; safe at any moment, and not to be interrupted."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(OSError):  # the terminal may be gone: that must not keep anything running
            self._view.close()
            self._view.say("stopping everything that was started")
        if self._recorder is not None:
            self._recorder.stop()
        if self._tokens is not None:
            self._tokens.stop()
        try:
            if self._options.kubeconfig and self._prepared and self._kube is not None:
                self._kube.delete_namespace(NAMESPACE)
        except DemoError as error:
            with contextlib.suppress(OSError):
                self._view.say(f"the namespace {NAMESPACE} is still there: {error}")
        finally:
            self._supervisor.stop()
            self._folder.close()

    def _ask_for_room(self, kube: Kube) -> None:
        """In somebody's own cluster: say what is put there, and touch nothing that was there before."""
        if kube.has_namespace(NAMESPACE):
            raise DemoError(
                f"the namespace {NAMESPACE} exists in the cluster of {self._options.kubeconfig}: another demo's, or "
                f"yours; delete it (kubectl delete namespace {NAMESPACE}), or unset KUBECONFIG to start a cluster here"
            )
        self._view.say(
            f"using the cluster of {self._options.kubeconfig}: the resource definitions are applied and stay, "
            f"the namespace {NAMESPACE} is made and deleted at the end"
        )

    def _wait_ready(self) -> None:
        wait_until(
            lambda: bool(self._scene.resources) and all(_ready(each) for each in self._scene.resources),
            seconds=READY_WITHIN,
            between=self._tick,
            failure=lambda: f"not Ready after {READY_WITHIN:.0f} s: {self._unready()}",
        )
        self._outcome.settings_ready = True
        self._view.say(f"settings Ready after {time.monotonic() - self._began:.1f} s")

    def _record(self, customer: Customer, *, bucket: str) -> None:
        self._step("recording")
        recorder = self._recorder = Recorder(
            spool=self._folder.spool, takes=takes(self._options.media), say=self._view.say
        )
        recorder.start()
        while not recorder.finished:
            if recorder.error:
                raise DemoError(recorder.error)
            self._tick()
            time.sleep(0.1)
        wait_until(
            lambda: self._settled(recorder),
            seconds=RELEASED_WITHIN,
            between=self._tick,
            failure=lambda: f"not released after {RELEASED_WITHIN:.0f} s: {self._unreleased(recorder)}",
        )
        self._step("comparing each object in the bucket with what was recorded")
        proofs = prove(self._scene.recordings, written=recorder.written, s3=customer.s3(), bucket=bucket)
        left = [name for name in recorder.written if (self._folder.spool / name).exists()]
        complete = len(proofs) == len(recorder.written)
        self._outcome.recordings = proofs
        self._outcome.ok = complete and all(each.verified for each in proofs) and not left
        for line in _table_of(proofs, width=self._view.width):
            self._view.say(line)
        if self._outcome.ok:
            self._view.say(f"all {len(proofs)} recordings are in the bucket, byte for byte, and gone from the spool")
        else:
            self._outcome.error = "not every recording arrived as it was recorded; see above"

    def _unready(self) -> str:
        """The picture goes with the demo: its last words have to say it."""
        return "; ".join(
            f"{each['kind']}/{each['metadata']['name']} ({condition(each, 'Ready').get('message') or 'no word yet'})"
            for each in self._scene.resources
            if not _ready(each)
        )

    def _unreleased(self, recorder: Recorder) -> str:
        states = {each["file"]: each["state"] for each in self._scene.recordings}
        left = [name for name in recorder.written if states.get(name) != "released"]
        return "; ".join(f"{printable(name)} ({states.get(name, 'not taken yet')})" for name in left)

    def _settled(self, recorder: Recorder) -> bool:
        """Nothing moves by itself any more."""
        states = {each["file"]: each["state"] for each in self._scene.recordings}
        return all(states.get(name) in FINAL | KEPT for name in recorder.written)

    def _step(self, step: str) -> None:
        self._scene.step = step
        self._view.say(step)

    def _tick(self) -> None:
        """Look at everything once and show it; raises DemoError when a part has ended."""
        self._supervisor.require_running()
        self._scene = replace(
            self._scene,
            parts=[(part.name, part.process.pid, part.address) for part in self._supervisor.parts],
            recordings=self._recordings(),
        )
        if self._prepared and self._kube and time.monotonic() - self._looked_at_cluster > _LOOK_AT_CLUSTER_EVERY:
            self._scene.resources = self._kube.list_resources(KINDS, namespace=NAMESPACE)
            self._looked_at_cluster = time.monotonic()
        self._view.show(self._scene)

    def _recordings(self) -> list[dict[str, Any]]:
        try:
            return list(ask(self._folder.spool / ".recording-storage", {"do": "recordings", "states": []}, timeout=5))
        except (NobodyListensError, ControlError):
            return self._scene.recordings

    def _next_steps(self) -> list[str]:
        kubectl = "kubectl" if shutil.which("kubectl") else "python -m recording_storage.demo.kubectl"
        apply = f"{kubectl} apply -f {quote(str(self._settings))}"
        return [
            "",
            "What to try next, in another terminal, while this one goes on:",
            f"    cd {quote(str(self._folder.root))}",
            f"    export KUBECONFIG=$PWD/kubeconfig PATH={quote(str(Path(sys.executable).parent))}:$PATH",
            f"    {kubectl} get recordings",
            "  a retry window of 20 s instead of two hours, so that you can wait for it:",
            f"    {apply}/{SHORT_WINDOW}",
            "  the bucket's server goes away, and a recording arrives:",
            f"    touch {self._folder.shut_file.name}",
            f"    cp {quote(str(parts.CHECKOUT / 'README.md'))} spool/another-call.txt",
            "  within seconds it waits, says why and when it tries again; after the window it is parked, not lost:",
            "    recording-storage recordings --spool spool --state waiting --state parked",
            "  the server comes back, and you ask for a retry:",
            f"    rm {self._folder.shut_file.name}",
            "    recording-storage retry --spool spool",
            "  and at a glance:",
            "    recording-storage status --spool spool",
            "  two hours again:",
            f"    {apply}/{SETTINGS}",
            "",
        ]


def _table_of(proofs: Sequence[Proof], *, width: int | None) -> Iterator[str]:
    columns = (Column("FILE"), Column("SIZE", right=True, spare=1), Column("STATE"), Column("COMPARED"))
    rows = [
        Row(
            (
                printable(proof.file),
                format_bytes(proof.size),
                proof.state,
                f"SHA-256 {proof.sha256[:12]}… {'the same' if proof.verified else 'NOT THE SAME'}",
            ),
            note=proof.media_url,
        )
        for proof in proofs
    ]
    return lay_out(columns, rows, note="WHERE IT IS", width=width)


def _ready(resource: dict[str, Any]) -> bool:
    ready = condition(resource, "Ready")
    return ready.get("status") == "True" and ready.get("observedGeneration") == resource["metadata"]["generation"]


__all__ = ["Demo", "DemoError", "Options"]
