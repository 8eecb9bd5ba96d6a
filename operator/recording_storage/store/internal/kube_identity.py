"""Who a Kubernetes ServiceAccount token belongs to: TokenReview, and the UID of its namespace.

The only file of the store that knows a Kubernetes client. Token and answers go into no exception: the client's own
errors carry whole bodies, and a TokenReview's body has the token in it.
"""

import asyncio
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import yaml
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import load_incluster_config, load_kube_config
from kubernetes.aio.config.config_exception import ConfigException

from recording_storage.domain.system_errors import plain_reason

AUDIENCE = "recording-storage"
TIMEOUT = 5.0
"""Seconds; a caller waits, and comes again."""
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_PREFIX = "system:serviceaccount:"
_NOT_FOUND = 404
_REFUSED = frozenset({401, 403})
_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
_MALFORMED = (yaml.YAMLError, TypeError, ValueError, KeyError, AttributeError)
"""What the client's loader makes of a file that is YAML of something else, or none."""

logging.getLogger("kubernetes.aio.client.rest").setLevel(logging.INFO)  # at DEBUG it logs bodies, tokens among them


class TokenRefusedError(Exception):
    """The token proves nothing here; the message says what to do."""


class ReviewUnavailableError(Exception):
    """The cluster can't be asked at the moment, or won't answer us."""


@dataclass(frozen=True)
class ServiceAccount:
    namespace: str
    namespace_uid: str
    name: str
    pod: str
    """Name of the pod that the token is bound to; empty: to none."""
    pod_uid: str = ""


class TokenReviewer(Protocol):
    """Tells whose token it is."""

    async def review(self, token: str) -> ServiceAccount:
        """Ask the cluster. Raises TokenRefusedError, ReviewUnavailableError."""

    async def close(self) -> None:
        """Close connections."""


class NoCluster:
    """The store was started without a cluster."""

    async def review(self, token: str) -> ServiceAccount:
        del token
        raise TokenRefusedError(
            "this store has no cluster to check service accounts' tokens with: start it with --kubeconfig, or in a "
            "cluster, or use a token of `store create-token`"
        )

    async def close(self) -> None:
        return


class Cluster:
    """The cluster of a kubeconfig, or (None) the one that this process runs in."""

    def __init__(self, kubeconfig: Path | None) -> None:
        self._kubeconfig = kubeconfig
        self._client: Any = None
        self._connecting = asyncio.Lock()

    async def review(self, token: str) -> ServiceAccount:
        api = await self._connected()
        review = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token, audiences=[AUDIENCE]))
        call = client.AuthenticationV1Api(api).create_token_review(review, _request_timeout=TIMEOUT)
        answered = await _asked(call, what="create tokenreviews")
        namespace, name = _user(answered.status)
        pod, pod_uid = (_extra(answered.status, each) for each in (_POD_NAME, _POD_UID))
        # Read for this very token and never remembered by name: a namespace made anew has the same name, not the UID.
        uid = await self._namespace_uid(api, namespace)
        return ServiceAccount(namespace=namespace, namespace_uid=uid, name=name, pod=pod, pod_uid=pod_uid)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _namespace_uid(self, api: Any, namespace: str) -> str:
        call = client.CoreV1Api(api).read_namespace(namespace, _request_timeout=TIMEOUT)
        found = await _asked(call, what="get namespaces")
        if found is None:
            raise TokenRefusedError("the token's namespace does not exist any more")
        uid: str = found.metadata.uid
        return uid

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None:
                try:
                    self._client = client.ApiClient(await self._configuration())
                except (ConfigException, OSError) as error:
                    raise ReviewUnavailableError(
                        f"the store's own access to the cluster can't be used: {plain_reason(error)}"
                    ) from None
                except _MALFORMED:
                    raise ReviewUnavailableError(f"{self._kubeconfig} is no kubeconfig") from None
            return self._client

    async def _configuration(self) -> Any:
        found = client.Configuration()
        if self._kubeconfig is None:
            load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
        else:
            file = str(self._kubeconfig)
            await load_kube_config(config_file=file, client_configuration=found, persist_config=False)  # type: ignore[no-untyped-call]
        return found


def token_reviewer(kubeconfig: Path | None) -> TokenReviewer:
    """The reviewer for this process: the kubeconfig's cluster, else the one around us, else none."""
    return Cluster(kubeconfig) if has_cluster(kubeconfig) else NoCluster()


def has_cluster(kubeconfig: Path | None) -> bool:
    """Whether there is one to ask: the kubeconfig's, or the one around us."""
    return kubeconfig is not None or bool(os.environ.get(_IN_CLUSTER))


async def _asked(call: Any, *, what: str) -> Any:
    """The answer; None when it is 404. Raises ReviewUnavailableError."""
    try:
        return await call
    except ApiException as error:
        if error.status == _NOT_FOUND:
            return None
        reason = f"it does not let the store {what}" if error.status in _REFUSED else f"HTTP {error.status}"
        raise ReviewUnavailableError(f"the API server did not answer: {reason}") from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ReviewUnavailableError(f"the API server can't be reached: {plain_reason(error)}") from None


def _user(status: Any) -> tuple[str, str]:
    """Namespace and name of an authenticated service account. Raises TokenRefusedError."""
    if status is None or not status.authenticated:
        raise TokenRefusedError(
            f"the cluster does not accept the token: it has to be a service account's, of audience {AUDIENCE}, not "
            "expired, and its pod has to exist"
        )
    # An API server that knows nothing of audiences leaves this empty, and would accept a token meant for others.
    if AUDIENCE not in (status.audiences or ()):
        raise TokenRefusedError(f"the token is not of audience {AUDIENCE}")
    username = status.user.username or ""
    namespace, _, name = username.removeprefix(_PREFIX).partition(":")
    if not username.startswith(_PREFIX) or not namespace or not name:
        raise TokenRefusedError("the token is not a service account's")
    return namespace, name


def _extra(status: Any, key: str) -> str:
    found: str = ((status.user.extra or {}).get(key) or [""])[0]
    return found
