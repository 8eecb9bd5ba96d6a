"""Starting and ending: configuration, Lease, the operator, signals."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from recording_storage.controller.cluster import hash_key
from recording_storage.controller.cluster.identity import ClusterNotConfigured, Identity
from recording_storage.controller.cluster.index import Index
from recording_storage.controller.cluster.kube import Kube, KubeError
from recording_storage.controller.cluster.lease import Lease, LeaseTimes
from recording_storage.controller.cluster.listing import Lists
from recording_storage.controller.cluster.resource_versions import ResourceVersions
from recording_storage.controller.cluster.rollback import RolledBack
from recording_storage.controller.core import metrics
from recording_storage.controller.core.watch_backoff import WatchBackoff
from recording_storage.controller.kinds.accounts import Accounts
from recording_storage.controller.probes import Probes
from recording_storage.controller.reconcile import Fence
from recording_storage.controller.runtime import Operator, Pace, clock
from recording_storage.controller.stores.internal import InternalStore
from recording_storage.controller.stores.recent_writes import RecentWrites
from recording_storage.controller.stores.transport import GuardedTransport
from recording_storage.controller.trust.client import TrustedFile
from recording_storage.controller.trust.keeper import TrustKeeper, TrustOptions
from recording_storage.controller.trust.master_key import MasterKeyKeeper, MasterKeyOptions
from recording_storage.controller.trust.objects import OwnObjects
from recording_storage.domain.address import Address
from recording_storage.domain.system_errors import plain_reason
from recording_storage.s3.address_guard import AddressGuard

logger = logging.getLogger(__name__)

LEASE_NAME = "recording-storage-operator"
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
_BUSY = 60.0
"""Seconds that an API server may say at the start that it is busy."""
_BUSY_STATUS = frozenset({429, 500, 503})
_NOT_FOUND, _FORBIDDEN, _UNAUTHORIZED = 404, 403, 401


class StartError(Exception):
    """One line that says what is wrong and what to do."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """As the command line gives them; see `cli/operator.py`."""

    kubeconfig: Path | None = None
    namespaces: tuple[str, ...] = ()
    store_url: str = ""
    internal_url: str = ""
    allowed_endpoints: tuple[str, ...] = ()
    ca_file: Path | None = None
    ca_config_map: str = ""
    token_file: Path | None = None
    metrics_listen: Address | None = None
    lease_namespace: str = ""
    leader_election: bool = True
    lease: LeaseTimes = field(default_factory=LeaseTimes)
    trust: TrustOptions | None = None
    master_key: MasterKeyOptions | None = None


def run(options: Options, *, say: Callable[[str], None]) -> None:
    """Work until SIGTERM or SIGINT.

    Args:
        options: of the command line.
        say: writes a line for a person.

    Raises:
        StartError: it can't start, or can't go on.
    """
    asyncio.run(_run(options, say=say))


async def _run(options: Options, *, say: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    process = Process(options, say=say)
    work = asyncio.create_task(process.work())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not work.done():
        say("operator: stopping")
        work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


class Process:
    """One replica, from its start to its end."""

    def __init__(self, options: Options, *, say: Callable[[str], None], pace: Pace | None = None) -> None:
        self._options = options
        self._pace = pace or Pace()
        self._say = say
        self._operator: Operator | None = None
        self._identity: Identity | None = None
        self._leading = False
        self._ready = False

    async def work(self) -> None:
        """Stand by, lead, work; ends by an error or by being cancelled."""
        options = self._options
        try:
            identity = await Identity.of(options.kubeconfig)
        except ClusterNotConfigured as error:
            raise StartError(str(error)) from error
        self._identity = identity
        trust = _trust(options)
        guarded = GuardedTransport(AddressGuard(options.allowed_endpoints))
        async with contextlib.AsyncExitStack() as stack:
            kube = await stack.enter_async_context(Kube(identity))
            bundled = await stack.enter_async_context(httpx.AsyncClient(verify=trust, timeout=_TIMEOUT))
            remote = await stack.enter_async_context(httpx.AsyncClient(transport=guarded, timeout=_TIMEOUT))
            await _check(kube, options)
            await self._serve_probes(stack)
            keepers = self._keepers(kube, trust)
            if options.leader_election:
                await self._lead(
                    kube, lambda fence: _together(lambda: self._operate(kube, bundled, remote, fence=fence), *keepers)
                )
            else:
                await _together(lambda: self._operate(kube, bundled, remote), *keepers)

    async def _serve_probes(self, stack: contextlib.AsyncExitStack) -> None:
        address = self._options.metrics_listen
        if address is None:
            return
        try:
            server = await Probes(address, alive=self._fault, ready=lambda: "").start()
        except OSError as error:
            raise StartError(f"--metrics-listen {address}: {plain_reason(error)}") from error
        await stack.enter_async_context(server)

    def _fault(self) -> str:
        if self._identity is not None and self._identity.refused_for >= self._pace.refused:
            return "the API server refuses the operator's credentials (401), and those read anew, too"
        dead = self._operator.dead_watches if self._operator is not None else []
        return f"the watch of {', '.join(dead)} does not deliver: changes have not arrived" if dead else ""

    async def _lead(self, kube: Kube, operate: Callable[[Fence], Coroutine[Any, Any, None]]) -> None:
        namespace = self._namespace()
        identity = f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
        lease = Lease(kube, namespace=namespace, name=LEASE_NAME, identity=identity, times=self._options.lease)
        try:
            await lease.acquire(
                standing_by=lambda holder: self._say(f"operator: standing by, {holder or 'nobody'} leads")
            )
        except KubeError as error:
            raise StartError(f"Lease {namespace}/{LEASE_NAME}: {error}; or use --no-leader-election") from error
        metrics.LEADING.set(1)
        try:
            await _together(lambda: operate(lease.fence), lease.keep)
            raise StartError(f"Lease {namespace}/{LEASE_NAME} is lost: another replica may lead now; ending")
        finally:
            metrics.LEADING.set(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3.0):
                    await lease.release()

    def _keepers(self, kube: Kube, context: ssl.SSLContext) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What else the replica that leads does, each without an end."""
        options, namespace = self._options, self._namespace()
        keepers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        if options.trust is not None:
            keepers.append(TrustKeeper(kube, options.trust, namespace=namespace, context=context).keep)
        elif options.ca_file is not None:
            objects = OwnObjects(kube, namespace=namespace)
            keepers.append(TrustedFile(options.ca_file, context, objects, config_map=options.ca_config_map).keep)
        if options.master_key is not None:
            keepers.append(MasterKeyKeeper(kube, options.master_key, namespace=namespace).keep)
        return keepers

    async def _operate(
        self, kube: Kube, bundled: httpx.AsyncClient, remote: httpx.AsyncClient, *, fence: Fence | None = None
    ) -> None:
        options = self._options
        internal = None
        if options.internal_url:
            internal = InternalStore(bundled, url=options.internal_url, token_file=options.token_file)
        accounts = partial(
            Accounts,
            kube=kube,
            store_url=options.store_url,
            internal=internal,
            bundled_client=bundled,
            remote_client=remote,
            recent=RecentWrites(clock),  # of stores, which are where they were
            clock=clock,
        )
        while True:
            try:
                await self._follow(kube, accounts, fence=fence)
            except RolledBack as error:
                metrics.ROLLBACKS.inc()
                logger.warning("the cluster has been put back to an earlier state (%s): beginning anew", error)
                await _check(kube, options)

    async def _follow(self, kube: Kube, accounts: Callable[..., Accounts], *, fence: Fence | None) -> None:
        """Work by one history of the cluster. Raises `RolledBack` at its end."""
        options, index = self._options, Index()
        try:
            key = await hash_key.load(kube, namespace=self._namespace())
            self._operator = Operator(
                kube=kube,
                namespaces=options.namespaces,
                index=index,
                accounts=accounts(index=index),
                hash_key=key,
                pace=self._pace,
                fence=fence,
            )
            await self._operator.run(ready=self._say_ready)
        except KubeError as error:
            raise StartError(str(error)) from error

    def _say_ready(self) -> None:
        where = f"namespaces {', '.join(self._options.namespaces)}" if self._options.namespaces else "all namespaces"
        store = f"settings store {self._options.store_url}" if self._options.store_url else "hosted accounts only"
        self._say(f"operator: ready, watching {where}, {store}")

    def _namespace(self) -> str:
        """Where the Lease and the operator's own Secret are."""
        if self._options.lease_namespace:
            return self._options.lease_namespace
        try:
            return _POD_NAMESPACE.read_text().strip()
        except OSError:
            return os.environ.get("POD_NAMESPACE", "default")


async def _check(kube: Kube, options: Options) -> None:
    """Tell at once what would otherwise fail later and less clearly. A store that is away is not among it."""
    try:
        await _first_list(kube, options)
    except KubeError as error:
        if error.status == _NOT_FOUND:
            raise StartError(
                "the custom resource definitions of recordingstorage.dev are not installed in this cluster; install "
                "them: kubectl apply --server-side -f crds/"
            ) from error
        if error.status in {_FORBIDDEN, _UNAUTHORIZED}:
            raise StartError(f"{error}; give the operator the rights of docs/examples/rbac.yaml") from error
        remedy = "; start it, or name another cluster with --kubeconfig" if error.status == 0 else ""
        raise StartError(f"no cluster: {error.message}{remedy}") from error


async def _first_list(kube: Kube, options: Options) -> None:
    deadline = clock() + _BUSY
    pauses = WatchBackoff(longest=5.0)
    while True:
        try:
            await Lists(
                kube,
                namespaces=options.namespaces,
                resource_versions=ResourceVersions(namespaced=bool(options.namespaces)),
                index=Index(),
            ).objects()
        except KubeError as error:
            # An API server that has just started, or a CRD that has just come, answers so for a moment.
            if error.status not in _BUSY_STATUS or clock() > deadline:
                raise
            await asyncio.sleep(max(pauses.next(), error.retry_after or 0.0))
        else:
            return


async def _together(*work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Until the first of them ends, and as that ends; the others are cancelled."""
    tasks = [asyncio.create_task(each()) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _trust(options: Options) -> ssl.SSLContext:
    if options.trust is not None:  # nobody, until there is an authority of our own
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca_file = options.ca_file
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"--ca-file {ca_file}: {plain_reason(error)}") from error
