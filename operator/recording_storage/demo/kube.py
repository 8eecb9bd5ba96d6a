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
from kubernetes.config.config_exception import ConfigException

from recording_storage.demo.errors import DemoError
from recording_storage.domain.system_errors import plain_reason

FIELD_MANAGER = "kubectl"
"""The same as `kubectl apply --server-side`, so that a person can go on with kubectl without a conflict."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
GROUP_VERSION = "recordingstorage.dev/v1alpha1"
AUDIENCE = "recording-storage"
_TIMEOUT = 15.0
"""Seconds for a request."""
_RETRIES = urllib3.Retry(total=5, connect=0, read=0, other=0, allowed_methods=None)
"""Only where the API server asks for it (429 and 503 with Retry-After): it does while it takes in new definitions."""
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


class RefusedError(DemoError):
    """The API server's own words."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Kube:
    """All of it raises DemoError: RefusedError where the API server answers, and says no."""

    def __init__(self, kubeconfig: Path) -> None:
        try:
            configuration = client.Configuration()
            configuration.retries = _RETRIES
            # The client writes certificates and keys into files, which must not outlive a demo that is killed.
            keys = kubeconfig.parent / "keys"
            keys.mkdir(mode=0o700, exist_ok=True)
            config.load_kube_config(  # type: ignore[no-untyped-call]
                str(kubeconfig), client_configuration=configuration, temp_file_path=str(keys)
            )
            self._api = client.ApiClient(configuration)
        except (ConfigException, OSError) as error:
            raise DemoError(f"the kubeconfig {kubeconfig} can't be used: {plain_reason(error)}") from None
        except (yaml.YAMLError, ValueError, TypeError, AttributeError):
            # What the client raises for a file that is something else.
            raise DemoError(f"the kubeconfig {kubeconfig} can't be used: it is malformed") from None

    def check(self) -> None:
        """Raise DemoError where no API server answers."""
        self._call("GET", "/version")

    def apply(self, manifest: Manifest, *, namespace: str | None = None) -> dict[str, Any]:
        """What `kubectl apply` does, so that a person can go on with it, and take back what was applied."""
        path = self._path(manifest, namespace)
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        return self._call(
            "PATCH", path, body=_remembered(manifest), query=query, content_type="application/apply-patch+yaml"
        )

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
        except RefusedError as error:
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
        host = self._api.configuration.host
        try:
            response = self._api.call_api(*request, _request_timeout=_TIMEOUT)
            text: bytes = response.read() or b""  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise DemoError(f"no Kubernetes API server answers at {host}: {plain_reason(error)}") from None
        if response.status >= HTTPStatus.BAD_REQUEST:
            message = _message(text) or f"{response.status} {response.reason}"
            raise RefusedError(f"the API server at {host} refuses {path}: {message}", status=response.status)
        answer: dict[str, Any] = json.loads(text)
        return answer


def wait_until(
    look: Callable[[], bool], *, seconds: float, between: Callable[[], None], failure: Callable[[], str]
) -> None:
    """Look again until it is so; `between` draws the view and raises when a part has ended."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise DemoError(failure())
        between()
        time.sleep(0.1)


def condition(resource: Manifest, kind: str) -> dict[str, Any]:
    """The condition of that type, or an empty one."""
    for each in resource.get("status", {}).get("conditions") or []:
        if each["type"] == kind:
            return dict(each)
    return {}


def _remembered(manifest: Manifest) -> Manifest:
    """With the annotation by which a plain `kubectl apply` knows what is to go; not of secrets, nor of what is large.

    The API server keeps it up to date in server-side applies of the field manager `kubectl`.
    """
    if not manifest["apiVersion"].startswith("recordingstorage.dev/"):
        return manifest
    written = {**manifest, "metadata": {"annotations": {}, **manifest["metadata"]}}
    annotations = {LAST_APPLIED: json.dumps(written, separators=(",", ":")) + "\n"}
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}


def _message(body: bytes) -> str:
    """The API server's own words; empty where it has none."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
