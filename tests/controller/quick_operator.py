"""The operator in this process: no option makes it as impatient as a test wants it."""

import asyncio
import threading
from pathlib import Path

import httpx

from recording_storage.controller.main import Options, Process
from recording_storage.controller.runtime import Pace
from recording_storage.domain.address import Address
from tests.controller.parts import Store
from tests.tools.ports import free_port
from tests.waiting import SOON, eventually

PACE = Pace(compare=1.0, late=1.0, refused=1.0)


class QuickOperator:
    """In a thread of this process, since no option makes its comparisons as frequent as a test wants them."""

    def __init__(self, *, kubeconfig: Path, store: Store, namespace: str) -> None:
        self.port = free_port()
        options = Options(
            kubeconfig=kubeconfig,
            namespaces=(namespace,),
            store_url=store.url,
            internal_url=store.internal_url,
            token_file=store.token_file,
            metrics_listen=Address("127.0.0.1", self.port),
            lease_namespace=namespace,
            leader_election=False,
        )
        self._process = Process(options, say=lambda _: self._ready.set(), pace=PACE)
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(SOON), "it did not start"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._work.cancel)
        self._thread.join(SOON)
        assert not self._thread.is_alive()

    def health(self) -> tuple[int, str]:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=SOON)
        return answer.status_code, answer.text

    def until_health(self, status: int, *, timeout: float = SOON) -> str:
        """The probe is all that tells it, so it is asked as the kubelet asks."""

        def told() -> str:
            found, text = self.health()
            return text if found == status else ""

        return eventually(told, what=f"/healthz is {status}", within=timeout)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._work = self._loop.create_task(self._process.work())
        try:
            self._loop.run_until_complete(self._work)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()
