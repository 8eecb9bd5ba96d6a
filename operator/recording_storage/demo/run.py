"""The demo from its first process to its last word."""

import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recording_storage.demo import parts
from recording_storage.demo.errors import DemoError
from recording_storage.demo.kube import Kube, condition, wait_until
from recording_storage.demo.proof import Proof, prove
from recording_storage.demo.recorder import Recorder, takes
from recording_storage.demo.s3 import Customer, free_port, port_of
from recording_storage.demo.samples import (
    KINDS,
    NAMESPACE,
    OPERATOR,
    apply_samples,
    bucket_and_prefix,
    prepare_cluster,
    settings_sample,
    write_short_window,
)
from recording_storage.demo.supervisor import Supervisor
from recording_storage.demo.tokens import Tokens
from recording_storage.demo.view import Scene, View, open_view, size_in_words
from recording_storage.uploader.control import ControlError, NobodyListensError, ask

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


@dataclass(frozen=True)
class Outcome:
    ok: bool
    settings_ready: bool
    seconds: float
    proofs: list[Proof]

    def as_json(self) -> str:
        return json.dumps(
            {
                "ok": self.ok,
                "settings_ready": self.settings_ready,
                "seconds": round(self.seconds, 1),
                "recordings": [proof.as_dict() for proof in self.proofs],
            }
        )


class Demo:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._began = time.monotonic()
        self._temporary = options.folder is None
        root = options.folder or Path(tempfile.mkdtemp(prefix="recording-storage-demo-"))
        self._folder = parts.Folder(root.resolve())
        self._folder.spool.mkdir(parents=True, exist_ok=True)
        self._folder.shut_file.unlink(missing_ok=True)
        self._supervisor = Supervisor(self._folder.root)
        self._view: View = open_view(quiet=options.as_json)
        self._scene = Scene()
        self._kube: Kube | None = None
        self._tokens: Tokens | None = None
        self._recorder: Recorder | None = None
        self._prepared = False
        self._looked_at_cluster = 0.0

    def run(self) -> Outcome:
        """Everything, up to the summary. Raises DemoError with what went wrong."""
        settings = settings_sample()
        url = settings["spec"]["awsStorage"]["url"]
        port = free_port(port_of(url))
        if port != port_of(url):
            self._view.say(
                f"port {port_of(url)} is taken: the bucket is at port {port}, the sample's URL is changed to it"
            )
            settings["spec"]["awsStorage"]["url"] = url = url.replace(f":{port_of(url)}/", f":{port}/")
        self._step("starting an API server and an S3 server")
        cluster = None if self._options.kubeconfig else parts.start_cluster(self._supervisor, tell=self._view.say)
        s3 = parts.start_s3(self._supervisor, port=port, folder=self._folder)
        kubeconfig = self._options.kubeconfig or parts.cluster_kubeconfig(cluster, alive=self._tick)  # type: ignore[arg-type]
        shutil.copyfile(kubeconfig, self._folder.kubeconfig)
        self._folder.kubeconfig.chmod(0o600)
        kube = self._kube = Kube(self._folder.kubeconfig)
        kube.check()
        if self._options.kubeconfig:
            self._ask_for_room(kube)
        prepare_cluster(kube)
        self._prepared = True
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
        bucket, prefix = bucket_and_prefix(url)
        keys = customer.prepare(bucket=bucket, prefix=prefix)
        self._step("applying docs/examples: account, key pair, credential, settings")
        apply_samples(kube, keys=keys, settings=settings)
        write_short_window(self._folder.root / "short-window.yaml", settings=settings)
        self._wait_ready()
        return self._record(customer, bucket=bucket)

    def stay(self) -> None:
        """Keep everything running and the view alive until the person has seen enough (KeyboardInterrupt)."""
        self._view.say("\n".join(self._next_steps()))
        self._scene.step = "everything keeps running; Ctrl-C stops it"
        while True:
            self._tick()
            time.sleep(0.2)

    def close(self) -> None:
        """Stop all that was started and remove what was temporary; safe to call at any moment."""
        self._view.close()
        self._view.say("stopping everything that was started")
        if self._recorder is not None:
            self._recorder.stop()
        if self._tokens is not None:
            self._tokens.stop()
        try:
            if self._options.kubeconfig and self._prepared and self._kube is not None:
                self._kube.delete_namespace(NAMESPACE)
        finally:
            self._supervisor.stop()
            if self._temporary:
                shutil.rmtree(self._folder.root, ignore_errors=True)

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
            failure=f"not everything is Ready after {READY_WITHIN:.0f} s; why is in the messages above",
        )
        self._view.say(f"settings Ready after {time.monotonic() - self._began:.1f} s")

    def _record(self, customer: Customer, *, bucket: str) -> Outcome:
        self._step("recording")
        recorder = self._recorder = Recorder(
            spool=self._folder.spool, takes=takes(self._options.media), say=self._view.say
        )
        recorder.start()
        wait_until(
            lambda: recorder.finished and self._settled(recorder),
            seconds=RELEASED_WITHIN,
            between=self._tick,
            failure=f"not every recording is released after {RELEASED_WITHIN:.0f} s; why is in the messages above",
        )
        self._step("comparing each object in the bucket with what was recorded")
        proofs = prove(self._scene.recordings, written=recorder.written, s3=customer.s3(), bucket=bucket)
        left = [name for name in recorder.written if (self._folder.spool / name).exists()]
        ok = len(proofs) == len(recorder.written) and all(each.verified for each in proofs) and not left
        for proof in proofs:
            mark = "the same bytes" if proof.verified else "NOT the same bytes"
            words = f"{proof.file} ({size_in_words(proof.size)}) is {proof.state} at {proof.media_url}"
            self._view.say(f"{words}: {mark}, SHA-256 {proof.sha256[:16]}…")
        words = f"all {len(proofs)} recordings are in the bucket, byte for byte, and gone from the spool"
        self._view.say(words if ok else "not every recording has arrived as it was recorded: see above")
        return Outcome(ok=ok, settings_ready=True, seconds=time.monotonic() - self._began, proofs=proofs)

    def _settled(self, recorder: Recorder) -> bool:
        states = {each["file"]: each["state"] for each in self._scene.recordings}
        return all(states.get(name) == "released" for name in recorder.written)

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
        command = Path(sys.executable).with_name("recording-storage")
        spool, shut = self._folder.spool, self._folder.shut_file
        short, kubeconfig = self._folder.root / "short-window.yaml", self._folder.kubeconfig
        if kubectl := shutil.which("kubectl"):
            apply = f"{Path(kubectl).name} --kubeconfig {kubeconfig} -n {NAMESPACE} apply --server-side -f {short}"
            look = [f"    kubectl --kubeconfig {kubeconfig} -n {NAMESPACE} get recordings"]
        else:
            apply = f"{sys.executable} -m recording_storage.demo.apply --kubeconfig {kubeconfig} -n {NAMESPACE} {short}"
            look = []
        return [
            "",
            "What to try next, in another terminal, while this one goes on:",
            "  a retry window of 20 s instead of two hours, so that you can wait for it:",
            f"    {apply}",
            "  the bucket's server goes away, and a recording arrives:",
            f"    touch {shut}",
            f"    cp {parts.CHECKOUT / 'README.md'} {spool}/another-call.txt",
            "  it waits, says why and when it tries again; after the window it is parked, not lost:",
            f"    {command} recordings --spool {spool}",
            "  the server comes back, and you ask for a retry:",
            f"    rm {shut}",
            f"    {command} retry --spool {spool}",
            "  and at a glance:",
            f"    {command} status --spool {spool}",
            *look,
            "",
        ]


def _ready(resource: dict[str, Any]) -> bool:
    ready = condition(resource, "Ready")
    return ready.get("status") == "True" and ready.get("observedGeneration") == resource["metadata"]["generation"]


__all__ = ["Demo", "DemoError", "Options", "Outcome"]
