"""The kopf edge: its watches deliver what happens to our own kinds, nothing else of kopf is used.

Event handlers only: they need no finalizer, and no annotation that would copy a spec. kopf takes every task of its
event loop for its own and cancels it at its end, and wants the signals, so it has a thread and a loop for itself.

What our kinds refer to does not come this way; see `metadata_watch`.
"""

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
import kopf

from recording_storage.controller.cluster.identity import EVERY, UNAUTHORIZED, Identity
from recording_storage.controller.cluster.index import MODELS
from recording_storage.controller.cluster.listing import collection
from recording_storage.controller.core.keys import Kind
from recording_storage.controller.core.watch_backoff import WatchBackoff
from recording_storage.resources.common import GROUP, VERSION

Sink = Callable[[Kind, str | None, dict[str, Any]], None]
"""Kind, type of event (None: from the first list), object."""

_INACTIVITY = 70.0
_IDENTITY: Any = "recording-storage"
"""Among kopf's peers, of whom there are none. Else it asks for the user's name, and in a pod the user has none."""


class KopfWatches:
    """Runs kopf in a thread of its own; `sink` is called in the loop that called `start`."""

    def __init__(self, identity: Identity, *, namespaces: Sequence[str], sink: Sink) -> None:
        self._identity = identity
        self._namespaces = namespaces
        self._sink = sink
        self._pauses: defaultdict[str, WatchBackoff] = defaultdict(WatchBackoff)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.ended = asyncio.Event()
        """Set when kopf has ended, asked for or not."""

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(loop,), name="kopf", daemon=True)
        self._thread.start()

    async def stop(self, *, grace: float = 3.0) -> None:
        """Ask kopf to end, and wait for that for `grace` seconds; the thread is a daemon."""
        self._stop.set()
        if self._thread is not None:
            try:
                async with asyncio.timeout(grace):
                    await self.ended.wait()
            except TimeoutError:
                return

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            asyncio.run(
                kopf.operator(
                    registry=self._registry(loop),
                    settings=_settings(),
                    identity=_IDENTITY,
                    standalone=True,
                    clusterwide=not self._namespaces,
                    namespaces=tuple(self._namespaces),
                    stop_flag=self._stop,
                )
            )
        except Exception:
            logging.getLogger(__name__).exception("the watches have failed")
        finally:
            try:
                loop.call_soon_threadsafe(self.ended.set)
            except RuntimeError:  # the main loop has ended first
                self._stop.set()

    def _registry(self, loop: asyncio.AbstractEventLoop) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        identity = self._identity

        async def login(**_: Any) -> kopf.AiohttpSession:
            return connection(identity, self._pauses)

        kopf.on.login(registry=registry)(login)
        for kind, model in MODELS.items():

            async def told(event: kopf.RawEvent, kind: Kind = kind, **_: Any) -> None:
                if event["type"] is not None:
                    self._forgive(kind, event["object"]["metadata"]["namespace"])
                loop.call_soon_threadsafe(self._deliver, kind, event["type"], dict(event["object"]))

            kopf.on.event(GROUP, VERSION, model.names.plural, id=f"watch-{kind}", registry=registry)(told)
        return registry

    def _deliver(self, kind: Kind, type_: str | None, item: dict[str, Any]) -> None:
        if not self._stop.is_set():  # the thread may outlive `stop`, and what it knows is of before
            self._sink(kind, type_, item)

    def _forgive(self, kind: Kind, namespace: str) -> None:
        self._pauses[collection(kind, namespace if self._namespaces else "")].event()


def connection(identity: Identity, pauses: Mapping[str, WatchBackoff]) -> kopf.AiohttpSession:
    """The same server and the same identity as our own client's, in each request as it is then.

    Args:
        identity: of the operator.
        pauses: by the path of what is watched: kopf itself has none where a watch ends at once.
    """
    configuration = identity.configuration
    named = kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
    )
    connector = aiohttp.TCPConnector(limit=0, ssl=named.as_ssl_context())
    session = aiohttp.ClientSession(connector=connector, middlewares=(_paced(pauses), _identified(identity)))
    return kopf.AiohttpSession(server=named.server, aiohttp_session=session)


def _paced(pauses: Mapping[str, WatchBackoff]) -> aiohttp.ClientMiddlewareType:
    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if "watch" in request.url.query:
            await asyncio.sleep(pauses[request.url.path].next())
        return await handler(request)

    return send


def _identified(identity: Identity) -> aiohttp.ClientMiddlewareType:
    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        used = await identity.header()
        request.headers.update(used)
        response = await handler(request)
        if response.status == UNAUTHORIZED and await identity.renew(used):
            response.release()
            request.headers.update(await identity.header())
            response = await handler(request)
        identity.note(refused=response.status == UNAUTHORIZED)
        if response.status == UNAUTHORIZED:
            await asyncio.sleep(EVERY)  # kopf would ask for another session at once, and be refused again
        return response

    return send


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # no rights on CRDs and namespaces are needed for it
    settings.watching.inactivity_timeout = _INACTIVITY
    # kopf would send SIGKILL to all of us, ten minutes after it has ended by itself and hangs on the way
    settings.process.ultimate_exiting_timeout = None
    return settings
