"""Who the operator is to the API server: taken from its configuration, and taken anew once the server refuses it.

A token file is replaced, an exec plugin's token runs out, a certificate is renewed: who is refused with 401 asks for
`renew`, and tries once more if that has brought something else.
"""

import hashlib
import logging
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes.aio.config.incluster_config import SERVICE_TOKEN_FILENAME

from recording_storage.domain.system_errors import plain_reason

logger = logging.getLogger(__name__)

Load = Callable[[], Awaitable[Configuration]]
EVERY = 2.0
"""Seconds between attempts to take it anew: an exec plugin is a program that is started each time."""
UNAUTHORIZED = 401


class ClusterNotConfigured(Exception):  # noqa: N818 - reads as the message it becomes
    """What names the cluster can't be used; the message says what to do."""


class Identity:
    """Used from several event loops, each in a thread of its own; nothing here is harmed by being done twice."""

    def __init__(
        self, configuration: Configuration, *, load: Load, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what names cluster and identity.

        Args:
            configuration: what is known now; changed in its place when it is taken anew.
            load: gives it anew.
            clock: seconds.
        """
        self.configuration = configuration
        self._load = load
        self._clock = clock
        self._tried = float("-inf")
        self._refused_since: float | None = None
        self._certificate = _certificate(configuration)
        self.certificates = 1
        """How many client certificates there have been: who has made a connection with an earlier one makes another."""

    @classmethod
    async def of(cls, kubeconfig: Path | None) -> Self:
        """From the given file, else from the pod's service account, else from KUBECONFIG or ~/.kube/config.

        Raises:
            ClusterNotConfigured: it can't be used.
        """

        async def load() -> Configuration:
            return await _load(kubeconfig)

        return cls(await load(), load=load)

    async def header(self) -> dict[str, str]:
        """The header that proves who we are; a token of a pod's service account is read anew when it is due."""
        token = await self.configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Authorization": token} if token else {}

    async def renew(self, used: dict[str, str]) -> bool:
        """Take it anew, since the one with the header `used` was refused; whether another try is worth it."""
        if await self.header() != used:
            return True
        if self._clock() - self._tried < EVERY:
            return False
        self._tried = self._clock()
        try:
            newer = await self._load()
        except ClusterNotConfigured as error:
            logger.warning("the API server refuses the operator's credentials, and no others can be had: %s", error)
            return False
        self.configuration.__dict__.update(newer.__dict__)
        certificate = _certificate(newer)
        if certificate != self._certificate:
            self._certificate, self.certificates = certificate, self.certificates + 1
            return True
        return await self.header() != used

    def note(self, *, refused: bool) -> None:
        """Take of an answer whether it refuses our credentials; one that refuses anything else has taken them."""
        if not refused:
            self._refused_since = None
        elif self._refused_since is None:
            self._refused_since = self._clock()

    @property
    def refused_for(self) -> float:
        """Seconds for which the API server has refused us, whatever we asked; 0 when it doesn't."""
        since = self._refused_since
        return self._clock() - since if since is not None else 0.0


def _in_cluster() -> bool:
    return Path(SERVICE_TOKEN_FILENAME).exists()


async def _load(kubeconfig: Path | None) -> Configuration:
    configuration = Configuration()
    named = f"the kubeconfig {kubeconfig or os.environ.get('KUBECONFIG') or '~/.kube/config'}"
    try:
        if kubeconfig is None and _in_cluster():
            named = "the pod's service account"
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await load_kube_config(  # type: ignore[no-untyped-call]
                config_file=str(kubeconfig) if kubeconfig else None,
                client_configuration=configuration,
                persist_config=False,
            )
    except (ConfigException, OSError) as error:
        raise ClusterNotConfigured(f"{named} can't be used: {plain_reason(error)}; give --kubeconfig FILE") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # what the client makes of something else
        raise ClusterNotConfigured(f"{named} can't be used: it is malformed; give --kubeconfig FILE") from error
    return configuration


def _certificate(configuration: Configuration) -> str:
    """What tells a client certificate from the one before it."""
    try:
        return hashlib.sha256(Path(configuration.cert_file).read_bytes()).hexdigest() if configuration.cert_file else ""
    except OSError:
        return ""
