"""Keeps the internal authority and the store's certificate: a Secret each, and a ConfigMap with whom to trust."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from recording_storage.controller.cluster.kube import Document, Kube, KubeError
from recording_storage.controller.core import metrics
from recording_storage.controller.trust.authority import Authority
from recording_storage.controller.trust.certificates import Pair, issue, new_authority, serves, trust, usable, validity
from recording_storage.controller.trust.decide import Observed, Step, next_step
from recording_storage.controller.trust.objects import TRUSTED, OwnObjects, texts_of

logger = logging.getLogger(__name__)

_LOOK = timedelta(minutes=1)
_STEPS = 8
"""In one look at most: more than it takes from nothing to a certificate."""


@dataclass(frozen=True, kw_only=True)
class TrustOptions:
    """What the operator keeps in its namespace, by name."""

    authority: str
    """Of the Secret with the authority's keys, and of the ConfigMap whose ca.crt says whom to trust."""
    serving: str
    """Of the Secret with the store's certificate: tls.crt, tls.key, ca.crt."""
    hosts: tuple[str, ...]
    """Names and addresses of the store."""
    authority_life: timedelta = timedelta(days=3650)
    serving_life: timedelta = timedelta(days=90)

    @property
    def look(self) -> timedelta:
        """Between two looks."""
        return min(_LOOK, self.serving_life / 60)


class TrustKeeper:
    """Of the replica that leads; what it makes is found again by the next one."""

    def __init__(
        self,
        kube: Kube,
        options: TrustOptions,
        *,
        namespace: str,
        context: ssl.SSLContext,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take what to keep.

        Args:
            kube: the API server.
            options: names and lives.
            namespace: the operator's own.
            context: of the operator's connections to the store; it trusts the bundle from the first look on.
            now: the time.
        """
        self._objects, self._options = OwnObjects(kube, namespace=namespace), options
        self._context, self._now = context, now
        self._trusted = ""

    async def keep(self) -> None:
        """Look, again and again; ends by being cancelled."""
        while True:
            try:
                await self.look()
            except KubeError as error:
                metrics.TRUST_FAILURES.inc()
                logger.warning("the store's certificate can't be looked after: %s", error)
            await asyncio.sleep(self._options.look.total_seconds())

    async def look(self) -> None:
        """Do what is due. Raises KubeError."""
        for _ in range(_STEPS):
            kept = await self._objects.secret(self._options.authority)
            served = await self._objects.secret(self._options.serving)
            authority = Authority.of(texts_of(kept))
            serving = texts_of(served)
            leaf = Pair(serving.get("tls.crt", ""), serving.get("tls.key", ""))
            now = self._now()
            bundle = authority.bundle(now=now)
            if authority.current is not None:  # before anything else: it may have been written, and this not
                await self._objects.publish(self._options.authority, bundle)
                if served is not None and serving.get(TRUSTED) != bundle:
                    await self._write_serving(served, leaf, bundle)
                    continue
            step = next_step(self._observed(authority, leaf), now=now)
            if step is None:
                self._trust(bundle)
                self._count(authority, leaf)
                return
            logger.info("trust inside: %s", step)
            if step is Step.ISSUE:
                assert authority.current is not None
                options = self._options
                new = issue(authority.current, hosts=options.hosts, life=options.serving_life, now=now)
                await self._write_serving(served, new, bundle)
            else:
                await self._write_authority(kept, self._after(step, authority, now=now))

    def _observed(self, authority: Authority, leaf: Pair) -> Observed:
        current, coming = authority.current, authority.coming
        good = (
            current is not None
            and usable(leaf)
            and serves(leaf, hosts=self._options.hosts, authority=current.certificate)
        )
        return Observed(
            current=validity(current.certificate) if current else None,
            coming=validity(coming.certificate) if coming else None,
            published=authority.published,
            leaf=validity(leaf.certificate) if good else None,
        )

    def _after(self, step: Step, authority: Authority, *, now: datetime) -> Authority:
        if step is Step.ANNOUNCED:
            return authority.announced(now=now)
        if step is Step.TAKE_OVER:
            return authority.taken_over(now=now)
        # With the time in its name: two that sign differ in it, too, and who reads a bundle tells them apart.
        name = f"recording-storage {self._objects.namespace} {now:%Y-%m-%d %H:%M:%S}"
        pair = new_authority(name, life=self._options.authority_life, now=now)
        return authority.prepared(pair) if step is Step.PREPARE else authority.begun(pair, now=now)

    async def _write_authority(self, found: Document | None, authority: Authority) -> None:
        await self._objects.write_secret(self._options.authority, found, kind="Opaque", texts=authority.texts())

    async def _write_serving(self, found: Document | None, leaf: Pair, bundle: str) -> None:
        texts = {"tls.crt": leaf.certificate, "tls.key": leaf.key, TRUSTED: bundle}
        await self._objects.write_secret(self._options.serving, found, kind="kubernetes.io/tls", texts=texts)

    def _trust(self, bundle: str) -> None:
        if bundle != self._trusted:
            trust(self._context, bundle)
            self._trusted = bundle

    def _count(self, authority: Authority, leaf: Pair) -> None:
        assert authority.current is not None
        for name, pair in (("authority", authority.current), ("store", leaf)):
            found = validity(pair.certificate)
            assert found is not None
            metrics.CERTIFICATE_ENDS.labels(certificate=name).set(found.ends.timestamp())
