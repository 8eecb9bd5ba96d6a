"""One active replica: a Lease of coordination.k8s.io, held by renewing it.

A holder that has gone is noticed by its renewals staying away, by our own clock: clocks of two machines may differ.
Standby to active takes at most `duration` + `retry` seconds, and no time at all when the holder ends in an orderly way.
A renewal is one request: an API server that takes seconds for each answer must not cost us the Lease.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from recording_storage.controller.cluster.kube import Document, Kube, KubeError, lease_path

logger = logging.getLogger(__name__)

_SHARE = 0.75  # of the time that is left, for one attempt
_MICRO = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, kw_only=True)
class LeaseTimes:
    """All in seconds; what Kubernetes' own components have by default."""

    duration: float = 15.0
    """Without a renewal, after which another replica may take the Lease; whole seconds."""
    deadline: float = 10.0
    """Without a successful renewal, after which the holder stops: before anyone else starts."""
    retry: float = 2.0
    """Between renewals, and between a standby's looks."""

    def fault(self) -> str:
        """Why they don't go together; empty: they do."""
        if not 0 < self.retry < self.deadline < self.duration:
            return (
                f"the retry period ({self.retry:g} s) must be shorter than the renew deadline ({self.deadline:g} s), "
                f"and that shorter than the lease duration ({self.duration:g} s)"
            )
        return ""


class Lease:
    def __init__(
        self,
        kube: Kube,
        *,
        namespace: str,
        name: str,
        identity: str,
        times: LeaseTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._times = times or LeaseTimes()
        self._ours: Document | None = None  # as we have written it last
        self._clock = clock
        self._renewed = float("-inf")
        self._seen: tuple[str, float] = ("", 0.0)  # the version of another's Lease, and since when

    async def acquire(self, *, standing_by: Callable[[str], None]) -> None:
        """Returns once we hold it; `standing_by` is told who does, when that changes.

        Raises:
            KubeError: the right to it is missing (403); other failures are waited out.
        """
        told = ""
        while True:
            started = self._clock()
            try:
                holder = await self._try()
            except KubeError as error:
                if error.status == 403:  # noqa: PLR2004 - forbidden
                    raise
                logger.warning("Lease %s/%s: %s", self._namespace, self._name, error)
                holder = told
            if holder == self._identity:
                self._renewed = started
                return
            if holder != told:
                standing_by(holder)
                told = holder
            await asyncio.sleep(self._times.retry)

    async def keep(self) -> None:
        """Renews it for as long as that works; returns when it is lost."""
        while self._is_ours():
            await asyncio.sleep(max(0.0, self._times.retry - (self._clock() - self._renewed)))
            started = self._clock()
            left = self._times.deadline - (started - self._renewed)
            try:
                # Not all of it: a request that hangs must leave time for another one.
                async with asyncio.timeout(_SHARE * left):
                    if not await self._renew():
                        return
                self._renewed = started
            except TimeoutError:
                self._say("no answer in time")
            except KubeError as error:
                self._say(error)
                await asyncio.sleep(self._times.retry)

    def _say(self, what: object) -> None:
        logger.warning("Lease %s/%s could not be renewed: %s", self._namespace, self._name, what)

    async def fence(self) -> None:
        """Stand before each write: returns at once while the Lease is surely ours, and else never.

        A process that was stopped for longer than the Lease lasts would go on in the midst of what it was doing, beside
        another one. Who waits here is ended when `keep` returns.
        """
        if not self._is_ours():
            await asyncio.get_running_loop().create_future()

    async def release(self) -> None:
        """Lets the next one begin at once."""
        try:
            lease = await self._kube.get(lease_path(self._namespace, self._name), timeout=2.0)
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._kube.replace(lease_path(self._namespace, self._name), lease, timeout=2.0)
        except KubeError as error:
            logger.info("Lease %s/%s is left to run out: %s", self._namespace, self._name, error)

    def _is_ours(self) -> bool:
        return self._clock() - self._renewed < self._times.deadline

    async def _renew(self) -> bool:
        """Whether it is ours still; where somebody has touched it, that is looked at."""
        return bool(self._ours and await self._write(self._ours)) or await self._try() == self._identity

    async def _try(self) -> str:
        """Who holds it after this try; empty when somebody was quicker."""
        try:
            lease = await self._kube.get(lease_path(self._namespace, self._name))
        except KubeError as error:
            if not error.not_found:
                raise
            return await self._write(None)
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder and holder != self._identity:
            version = lease["metadata"]["resourceVersion"]
            if version != self._seen[0]:
                self._seen = (version, self._clock())
            if self._clock() - self._seen[1] < float(spec.get("leaseDurationSeconds") or self._times.duration):
                return str(holder)
        return await self._write(lease)

    async def _write(self, before: Document | None) -> str:
        now = datetime.now(UTC).strftime(_MICRO)
        spec = dict((before or {}).get("spec") or {})
        if spec.get("holderIdentity") != self._identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + (1 if before else 0)
        spec |= {"holderIdentity": self._identity, "leaseDurationSeconds": int(self._times.duration), "renewTime": now}
        metadata = (before or {}).get("metadata") or {"name": self._name, "namespace": self._namespace}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        try:
            if before is None:
                self._ours = await self._kube.create(lease_path(self._namespace), lease)
            else:
                self._ours = await self._kube.replace(lease_path(self._namespace, self._name), lease)
        except KubeError as error:
            self._ours = None
            if error.conflict:
                return ""
            raise
        return self._identity
