"""A small synchronous client for tests: apply, get, patch, delete any kind, and service account tokens."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import yaml
from kubernetes.client import ApiClient
from kubernetes.config import new_client_from_config

from tests.waiting import SOON

FIELD_MANAGER = "kubectl"
Document = dict[str, Any]


class KubeError(Exception):
    """The API server's refusal: `status` is the HTTP code, `reason` and `str()` are its Status object's."""

    def __init__(self, status: int, body: str) -> None:
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        super().__init__(answer.get("message", body))
        self.status = status
        self.reason: str = answer.get("reason", "")


class Kube:
    def __init__(self, client: ApiClient) -> None:
        self.api = client
        self._resources: dict[str, dict[str, Document]] = {}

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        return cls(new_client_from_config(str(path)))

    def request(
        self, method: str, path: str, body: object = None, *, query: Mapping[str, str] | None = None, **headers: str
    ) -> Any:
        """One call; returns the decoded answer. `headers` take `content_type` and `accept`."""
        url = self.api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        sent = {
            "Accept": headers.get("accept", "application/json"),
            "Content-Type": headers.get("content_type", "application/json"),
        }
        if authorization := self.api.configuration.auth_settings().get("BearerToken"):
            sent["Authorization"] = authorization["value"]
        response = self.api.rest_client.request(method, url, headers=sent, body=body)
        text = (response.read() or b"").decode()
        if response.status >= 300:
            raise KubeError(response.status, text)
        return json.loads(text) if text.startswith("{") else text

    def apply(
        self, source: Path | str | Document | Iterable[Document], *, namespace: str | None = None
    ) -> list[Document]:
        """Applies a YAML file, a folder of them, YAML text or documents as `kubectl apply --server-side` does."""
        return [
            self.request(
                "PATCH",
                self.path(document, namespace=namespace),
                document,
                query={"fieldManager": FIELD_MANAGER, "force": "true"},
                content_type="application/apply-patch+yaml",
            )
            for document in documents(source)
        ]

    def create(self, document: Document, *, namespace: str | None = None) -> Document:
        path = self.path(document, namespace=namespace, collection=True)
        created: Document = self.request("POST", path, document)
        return created

    def get(self, api_version: str, kind: str, name: str, *, namespace: str | None = None) -> Document:
        found: Document = self.request("GET", self.path_of(api_version, kind, name, namespace=namespace))
        return found

    def list(self, api_version: str, kind: str, *, namespace: str | None = None) -> Sequence[Document]:
        items: Sequence[Document] = self.request("GET", self.path_of(api_version, kind, namespace=namespace))["items"]
        return items

    def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        body: Document,
        *,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> Document:
        """A merge patch."""
        path = self.path_of(api_version, kind, name, namespace=namespace)
        if subresource:
            path += f"/{subresource}"
        patched: Document = self.request("PATCH", path, body, content_type="application/merge-patch+json")
        return patched

    def delete(self, api_version: str, kind: str, name: str, *, namespace: str | None = None) -> None:
        """Deletes it; that it is gone already is fine."""
        try:
            self.request("DELETE", self.path_of(api_version, kind, name, namespace=namespace))
        except KubeError as error:
            if error.status != 404:
                raise

    def path(self, document: Document, *, namespace: str | None = None, collection: bool = False) -> str:
        metadata = document.get("metadata", {})
        return self.path_of(
            document["apiVersion"],
            document["kind"],
            None if collection else metadata["name"],
            namespace=metadata.get("namespace", namespace),
        )

    def path_of(self, api_version: str, kind: str, name: str | None = None, *, namespace: str | None = None) -> str:
        """The URL path of an object or a collection; a namespaced kind without a namespace lists them all."""
        resource = self._resource(api_version, kind)
        path = base_path(api_version)
        if resource["namespaced"]:
            if name is not None and namespace is None:
                namespace = "default"
            path += f"/namespaces/{namespace}" if namespace is not None else ""
        path += f"/{resource['name']}"
        return path if name is None else f"{path}/{name}"

    def _resource(self, api_version: str, kind: str) -> Document:
        if kind not in self._resources.get(api_version, {}):
            listed = self.request("GET", base_path(api_version))["resources"]
            self._resources[api_version] = {r["kind"]: r for r in listed if "/" not in r["name"]}
        try:
            return self._resources[api_version][kind]
        except KeyError:
            raise LookupError(f"the API server has no {kind} in {api_version}") from None

    def wait(self, path: str, *, condition: str, timeout: float = SOON) -> Document:
        """Polls the object at `path` until its status has `condition` True."""
        deadline = time.monotonic() + timeout
        while True:
            found: Document = self.request("GET", path)
            conditions = {c["type"]: c["status"] for c in found.get("status", {}).get("conditions") or []}
            if conditions.get(condition) == "True":
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} is not {condition} after {timeout:.0f} s: {conditions}")
            time.sleep(0.05)

    def close(self) -> None:
        self.api.close()


def base_path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def documents(source: Path | str | Document | Iterable[Document]) -> list[Document]:
    if isinstance(source, Path):
        files = sorted([*source.glob("*.yaml"), *source.glob("*.yml")]) if source.is_dir() else [source]
        return [document for file in files for document in documents(file.read_text())]
    if isinstance(source, str):
        return [document for document in yaml.safe_load_all(source) if document]
    return [dict(source)] if isinstance(source, Mapping) else list(source)
