"""The demo's side of the cluster: apply what a person would apply, read what a person would read."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException

from recording_storage.demo.errors import DemoError

FIELD_MANAGER = "kubectl"
"""The same as `kubectl apply --server-side`, so that a person can go on with kubectl without a conflict."""
GROUP_VERSION = "recordingstorage.dev/v1alpha1"
AUDIENCE = "recording-storage"
TOKEN_SECONDS = 24 * 3600
_PLURALS = {
    "Namespace": "namespaces",
    "Pod": "pods",
    "Secret": "secrets",
    "ServiceAccount": "serviceaccounts",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "CustomResourceDefinition": "customresourcedefinitions",
    "RecordingAccount": "recordingaccounts",
    "AwsCredential": "awscredentials",
    "PublicKey": "publickeys",
    "RecordingSettings": "recordingsettings",
    "RecordingSpool": "recordingspools",
}
_CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}

Manifest = Mapping[str, Any]


def load(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


class Kube:
    def __init__(self, kubeconfig: Path) -> None:
        try:
            self._api: client.ApiClient = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
        except (ConfigException, OSError, yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
            # The last three: what the client raises for a file that is something else.
            raise DemoError(f"the kubeconfig {kubeconfig} can't be used: {error}") from None

    def check(self) -> None:
        """Raise DemoError where no API server answers."""
        try:
            self._call("GET", "/version")
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise DemoError(f"no Kubernetes API server answers at {self._api.configuration.host}: {reason}") from None

    def apply(self, manifest: Manifest, *, namespace: str | None = None) -> dict[str, Any]:
        """Server-side apply. Raises DemoError with the API server's own words."""
        path = self._path(manifest, namespace)
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        try:
            return self._call("PATCH", path, body=manifest, query=query, content_type="application/apply-patch+yaml")
        except ApiException as error:
            name = f"{manifest['kind']}/{manifest['metadata']['name']}"
            raise DemoError(f"the API server refuses {name}: {_message(error)}") from None

    def apply_crds(self, folder: Path) -> None:
        definitions = [document for path in sorted(folder.glob("*.yaml")) for document in load(path)]
        if not definitions:
            raise DemoError(f"no custom resource definitions in {folder}")
        for definition in definitions:
            self.apply(definition)
        for definition in definitions:
            self._wait_established(self._path(definition, None))

    def list_resources(self, kinds: Iterable[str], *, namespace: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for kind in kinds:
            answer = self._call("GET", f"/apis/{GROUP_VERSION}/namespaces/{namespace}/{_PLURALS[kind]}")
            found += [{"kind": kind, **item} for item in answer["items"]]
        return found

    def token(self, *, namespace: str, service_account: str, pod: str) -> str:
        """A ServiceAccount token as the kubelet would project it into the pod."""
        uid = self._call("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}")["metadata"]["uid"]
        answer = self._call(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token",
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "audiences": [AUDIENCE],
                    "expirationSeconds": TOKEN_SECONDS,
                    "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid},
                },
            },
        )
        return str(answer["status"]["token"])

    def has_namespace(self, name: str) -> bool:
        try:
            self._call("GET", f"/api/v1/namespaces/{name}")
        except ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def delete_namespace(self, name: str) -> None:
        self._call("DELETE", f"/api/v1/namespaces/{name}")

    def _wait_established(self, path: str) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            status = self._call("GET", path).get("status", {})
            if any(
                each["type"] == "Established" and each["status"] == "True" for each in status.get("conditions") or []
            ):
                return
            time.sleep(0.05)
        raise DemoError(f"the API server does not serve {path.rsplit('/', 1)[-1]} after 30 s")

    def _path(self, manifest: Manifest, namespace: str | None) -> str:
        version, kind = manifest["apiVersion"], manifest["kind"]
        base = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        if kind not in _CLUSTER_WIDE:
            base += f"/namespaces/{namespace or manifest['metadata'].get('namespace', 'default')}"
        return f"{base}/{_PLURALS[kind]}/{manifest['metadata']['name']}"

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | None = None,
        query: list[tuple[str, str]] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        request = self._api.param_serialize(
            method,
            path,
            query_params=query or [],
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self._api.call_api(*request)
        text: bytes = response.read() or b""  # type: ignore[no-untyped-call]
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise ApiException(status=response.status, reason=response.reason, body=text.decode(errors="replace"))
        answer: dict[str, Any] = json.loads(text)
        return answer


def wait_until(look: Callable[[], bool], *, seconds: float, between: Callable[[], None], failure: str) -> None:
    """Look again until it is so; `between` draws the view and raises when a part has ended."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise DemoError(failure)
        between()
        time.sleep(0.1)


def condition(resource: Manifest, kind: str) -> dict[str, Any]:
    """The condition of that type, or an empty one."""
    for each in resource.get("status", {}).get("conditions") or []:
        if each["type"] == kind:
            return dict(each)
    return {}


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.status} {error.reason}"
