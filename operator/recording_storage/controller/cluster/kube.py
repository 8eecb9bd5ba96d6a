"""The API server as the operator uses it: a few verbs on JSON objects, errors translated, nothing cached."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient

from recording_storage.controller.cluster.identity import UNAUTHORIZED, Identity
from recording_storage.domain.conditions import shorten
from recording_storage.domain.retry_after import heeded, retry_after_of
from recording_storage.domain.system_errors import plain_reason

Document = dict[str, Any]

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
"""For the API server's own kinds only: it knows by what the elements of a list are told apart."""
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
LABELS = {"app.kubernetes.io/managed-by": "recording-storage"}
"""Of each Secret and ConfigMap of ours: a policy of the cluster may keep the operator to these."""
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_MANAGED = "?fieldManager=recording-storage-operator"
"""Who owns the fields that we write; without it, that is told by the client library's name."""
_TIMEOUT = 30.0  # seconds, of a call
_WATCH = aiohttp.ClientTimeout(total=320.0, sock_read=100.0)
"""A bookmark comes about every minute: without one, nobody is at the other end any more."""
_LONGEST_REASON = 64
_DENIALS = ("denied the request", "denied request")
"""A webhook's, and a policy's."""
_NOT_FOUND, _CONFLICT, _GONE, _INVALID = 404, 409, 410, 422
_OTHER_UID = "metadata.uid: Invalid value"
"""In the refusal of a patch with another object's UID: it is taken for a change of the UID, not for a condition."""


class KubeError(Exception):
    """The API server's refusal; `status` is HTTP's, 0 when it could not be reached."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(status)
        self.retry_after = heeded(retry_after)
        """Seconds that it asks to be left alone, as far as that is heeded."""
        self.status = status
        self.reason = shorten(reason)[:_LONGEST_REASON]
        self.message = shorten(message)
        """In one bounded line: a webhook may say whatever it likes, and it goes to log, status and events."""

    def __str__(self) -> str:
        return (
            f"API server: {self.message}"
            if self.status == 0
            else f"API server: {self.status} {self.reason}: {self.message}"
        )

    @property
    def denied(self) -> bool:
        """By an admission webhook or policy, which may choose any status for it."""
        return any(words in self.message for words in _DENIALS)

    @property
    def unauthorized(self) -> bool:
        """It does not know who we are."""
        return self.status == UNAUTHORIZED and not self.denied

    @property
    def not_found(self) -> bool:
        return self.status == _NOT_FOUND and not self.denied

    @property
    def conflict(self) -> bool:
        return self.status == _CONFLICT and not self.denied

    @property
    def invalid(self) -> bool:
        """It does not fit the schema, or an admission policy denies it."""
        return self.status == _INVALID

    @property
    def expired(self) -> bool:
        """A watch from a version that is no longer known."""
        return self.status == _GONE


class Kube:
    """Use as an async context manager, from one event loop."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._clients: list[ApiClient] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            await client.close()  # type: ignore[no-untyped-call]

    async def get(self, path: str, *, accept: str = JSON, timeout: float = _TIMEOUT) -> Document:  # noqa: ASYNC109 - of one call
        return await self._call("GET", path, accept=accept, timeout=timeout)

    async def create(self, path: str, body: Document) -> Document:
        return await self._call("POST", path + _MANAGED, body=body)

    async def replace(self, path: str, body: Document, *, timeout: float = _TIMEOUT) -> Document:  # noqa: ASYNC109
        return await self._call("PUT", path + _MANAGED, body=body, timeout=timeout)

    async def patch(self, path: str, body: Document, *, content_type: str = MERGE_PATCH) -> Document:
        return await self._call("PATCH", path + _MANAGED, body=body, content_type=content_type)

    async def delete(self, path: str, *, uid: str = "") -> None:
        """Deletes it; that it is gone already is fine, and with `uid` that another one has its name."""
        body = {"preconditions": {"uid": uid}} if uid else None
        try:
            await self._call("DELETE", path, body=body)
        except KubeError as error:
            if not error.not_found and not (uid and error.conflict):
                raise

    def watch_metadata(self, path: str, *, version: str) -> AsyncIterator[Document]:
        """As `watch`; objects have their metadata only."""
        return self.watch(path, version=version, accept=METADATA)

    async def watch(self, path: str, *, version: str, accept: str = JSON, labels: str = "") -> AsyncIterator[Document]:
        """Events ({"type", "object"}) of a collection from `version` on, of objects that have the labels.

        Ends when the server ends it, after about five minutes.
        """
        query = {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": "290"}
        query |= {"labelSelector": labels} if labels else {}
        response = await self._send("GET", f"{path}?{urlencode(query)}", accept=accept, timeout=_WATCH)
        try:
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _refused(int(event["object"].get("code", 500)), event["object"])
                yield event
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise KubeError(0, "WatchBroken", plain_reason(error)) from error
        finally:
            response.close()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Document | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float = _TIMEOUT,  # noqa: ASYNC109
    ) -> Document:
        response = await self._send(method, path, body=body, content_type=content_type, accept=accept, timeout=timeout)
        try:
            answer: Document = json.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise KubeError(0, "AnswerBroken", plain_reason(error)) from error
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: Document | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float | aiohttp.ClientTimeout,  # noqa: ASYNC109 - the client's own, for each call
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": accept, "Content-Type": content_type}
        host = self.identity.configuration.host
        used = await self.identity.header()
        try:
            response = await self._once(method, host + path, headers=headers | used, body=body, timeout=timeout)
            refusal = await _refusal(response)
            if refusal is not None and refusal.unauthorized and await self.identity.renew(used):
                headers |= await self.identity.header()
                response = await self._once(method, host + path, headers=headers, body=body, timeout=timeout)
                refusal = await _refusal(response)
            self.identity.note(refused=refusal is not None and refusal.unauthorized)
            if refusal is not None:
                raise refusal
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise KubeError(0, "Unreachable", f"{host} can't be reached: {plain_reason(error)}") from error
        return response

    async def _once(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        body: Document | None,
        timeout: float | aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> aiohttp.ClientResponse:
        while len(self._clients) < self.identity.certificates:  # those before it may be in use still
            self._clients.append(ApiClient(self.identity.configuration))
        answer = await self._clients[-1].rest_client.request(  # type: ignore[no-untyped-call]
            method, url, headers=headers, body=body, _request_timeout=timeout
        )
        response: aiohttp.ClientResponse = answer.response
        return response


async def _refusal(response: aiohttp.ClientResponse) -> KubeError | None:
    if response.status < 300:  # noqa: PLR2004 - HTTP's successes end there
        return None
    answer = await _status_object(response)
    return _refused(response.status, answer, retry_after=retry_after_of(response.headers))


async def _status_object(response: aiohttp.ClientResponse) -> Mapping[str, Any]:
    text = await response.text()
    try:
        answer = json.loads(text)
    except ValueError:
        return {"message": text[:200]}
    return answer if isinstance(answer, dict) else {"message": text[:200]}


def _refused(status: int, answer: Mapping[str, Any], *, retry_after: float | None = None) -> KubeError:
    reason, message = str(answer.get("reason", "")), str(answer.get("message", ""))
    if status == _INVALID and _OTHER_UID in message:
        status, reason = _CONFLICT, "Conflict"
    return KubeError(status, reason, message, retry_after=retry_after)


async def find(kube: Kube, path: str, **options: Any) -> Document | None:
    """As `Kube.get`; None where there is no such object. Raises KubeError."""
    try:
        return await kube.get(path, **options)
    except KubeError as error:
        if error.not_found:
            return None
        raise


def secret_path(namespace: str, name: str = "") -> str:
    return _path("/api/v1", namespace, "secrets", name)


def config_map_path(namespace: str, name: str = "") -> str:
    return _path("/api/v1", namespace, "configmaps", name)


def claim_path(namespace: str, name: str = "") -> str:
    return _path("/api/v1", namespace, "persistentvolumeclaims", name)


def pod_path(namespace: str, name: str = "") -> str:
    return _path("/api/v1", namespace, "pods", name)


def namespace_path(name: str = "") -> str:
    return _path("/api/v1", "", "namespaces", name)


def lease_path(namespace: str, name: str = "") -> str:
    return _path("/apis/coordination.k8s.io/v1", namespace, "leases", name)


def event_path(namespace: str, name: str = "") -> str:
    return _path("/api/v1", namespace, "events", name)


def resource_path(api_version: str, plural: str, *, namespace: str, name: str) -> str:
    return _path(f"/apis/{api_version}", namespace, plural, name)


def _path(base: str, namespace: str, plural: str, name: str) -> str:
    path = f"{base}/namespaces/{namespace}/{plural}" if namespace else f"{base}/{plural}"
    return f"{path}/{name}" if name else path
