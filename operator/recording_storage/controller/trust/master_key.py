"""The Secret with the store's master key: made once, and never again while the store has data."""

import asyncio
import base64
import logging
import secrets
from dataclasses import dataclass
from enum import StrEnum

from recording_storage.controller.cluster.kube import Kube, KubeError, claim_path, find
from recording_storage.controller.core import metrics
from recording_storage.controller.trust.objects import OwnObjects

logger = logging.getLogger(__name__)

FIELD = "master.key"
MARK = "recordingstorage.dev/master-key-secret"
"""On the store's claim: the name of the Secret whose key its data is sealed with. It goes with the data."""
_LOOK = 10.0  # seconds
_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class MasterKeyOptions:
    secret: str
    """Name, in the operator's namespace, of the Secret with master.key."""
    claim: str
    """Name of the claim that the store keeps its database on."""
    make: bool
    """Make the Secret where there is none and the store has no data."""


class KeyState(StrEnum):
    """Each with what is told of it."""

    GOOD = "the master key is there"
    UNMARKED = "the master key is there; the claim does not say so yet"
    TO_MAKE = "there is no master key, and no data that one could be missing for"
    NO_CLAIM = "there is no claim yet for the store's data"
    TO_GIVE = "there is no master key: the Secret has to be made"
    LOST = (
        "the store has data, and the master key that it is sealed with is not there: put the Secret back from its "
        "copy. None is made instead, since it could open nothing"
    )


def key_state(*, key: bool, claim: bool, marked: bool, make: bool) -> KeyState:
    """How it stands.

    Args:
        key: the Secret with the key is there.
        claim: the store's claim is there.
        marked: a key was there for this claim before.
        make: whether one may be made.
    """
    if key:
        return KeyState.UNMARKED if claim and not marked else KeyState.GOOD
    if marked:
        return KeyState.LOST
    if not make:
        return KeyState.TO_GIVE
    return KeyState.TO_MAKE if claim else KeyState.NO_CLAIM


class MasterKeyKeeper:
    """Of the replica that leads."""

    def __init__(self, kube: Kube, options: MasterKeyOptions, *, namespace: str) -> None:
        self._kube, self._options, self._namespace = kube, options, namespace
        self._objects = OwnObjects(kube, namespace=namespace)
        self._told: KeyState | None = None

    async def keep(self) -> None:
        """Look, again and again; ends by being cancelled."""
        while True:
            try:
                while await self.look() in {KeyState.TO_MAKE, KeyState.UNMARKED}:
                    pass
            except KubeError as error:
                metrics.TRUST_FAILURES.inc()
                logger.warning("the store's master key can't be looked after: %s", error)
            await asyncio.sleep(_LOOK)

    async def look(self) -> KeyState:
        """Do what is due, and say how it stood. Raises KubeError."""
        options = self._options
        secret = await self._objects.secret(options.secret) or {}
        claim = await find(self._kube, claim_path(self._namespace, options.claim)) or {}
        marked = bool(claim) and MARK in (claim["metadata"].get("annotations") or {})
        key = bool(secret) and bool((secret.get("data") or {}).get(FIELD))
        state = key_state(key=key, claim=bool(claim), marked=marked, make=options.make and not secret)
        self._tell(state)
        if state is KeyState.TO_MAKE:
            await self._objects.write_secret(options.secret, None, kind="Opaque", texts={FIELD: _new()})
        elif state is KeyState.UNMARKED:
            mark = {"metadata": {"uid": claim["metadata"]["uid"], "annotations": {MARK: options.secret}}}
            await self._kube.patch(claim_path(self._namespace, options.claim), mark)
        return state

    def _tell(self, state: KeyState) -> None:
        metrics.MASTER_KEY_MISSING.set(state is KeyState.LOST)
        if state is not self._told:
            level = logging.ERROR if state in {KeyState.LOST, KeyState.TO_GIVE} else logging.INFO
            where = f"Secret {self._namespace}/{self._options.secret}, claim {self._options.claim}"
            logger.log(level, "%s (%s)", state, where)
            self._told = state


def _new() -> str:
    return base64.b64encode(secrets.token_bytes(_BYTES)).decode() + "\n"
