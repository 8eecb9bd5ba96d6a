"""The destination of a RecordingSettings, with the key pair of its AwsCredential, read from the cluster."""

from base64 import b64decode
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import urllib3
from kubernetes import client
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes.config.kube_config import list_kube_config_contexts

from recording_storage.cli.verify_target import Target
from recording_storage.domain.bucket_url import parse_bucket_url
from recording_storage.domain.system_errors import plain_reason
from recording_storage.resources.aws_credential import AwsCredential
from recording_storage.resources.recording_settings import RecordingSettings
from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.types import Credential, Destination

_GROUP, _VERSION = "recordingstorage.dev", "v1alpha1"
_TIMEOUT = 15.0
_NOT_FOUND = 404
_Answer = TypeVar("_Answer")


class ClusterError(Exception):
    """The cluster can't be asked, or lacks what is referred to; one line for a person."""


def from_settings(name: str, *, namespace: str, kubeconfig: Path | None, allowed_endpoints: Collection[str]) -> Target:
    """The destination as it is declared.

    Args:
        name: of the RecordingSettings.
        namespace: "" for the one of the kubeconfig's context.
        kubeconfig: None for the pod's own service account, or the user's default.
        allowed_endpoints: what the store's operator has allowed; the cluster doesn't tell.

    Raises:
        ClusterError: something can't be read.
        ConfigError: the settings name no bucket.
        BucketUrlError: their URL can't be used.
    """
    reader = _Reader(namespace=namespace, kubeconfig=kubeconfig)
    storage = RecordingSettings.parse(reader.custom("recordingsettings", name)).spec.aws_storage
    if not storage.url or storage.credential_ref is None:
        raise ClusterError(f"RecordingSettings {reader.namespace}/{name} has no bucket: set spec.awsStorage")
    location = parse_bucket_url(
        storage.url, region=storage.region, allowed_endpoints=allowed_endpoints, allow_http=True
    )
    bundle = storage.ca_bundle_ref
    encryption = storage.server_side_encryption
    return Target(
        destination=Destination(
            location,
            ca_bundle=reader.config_map(bundle.name).get(bundle.key) if bundle else None,
            expected_bucket_owner=storage.expected_bucket_owner,
            storage_class=storage.storage_class,
            sse=encryption.type,
            kms_key_id=encryption.kms_key_arn or "",
            tags=storage.tags,
            trust_unverified=storage.trust_unverified,
        ),
        credential=_credential(reader, storage.credential_ref.name),
        guard=AddressGuard(allowed_endpoints),
    )


def _credential(reader: "_Reader", name: str) -> Credential:
    source = AwsCredential.parse(reader.custom("awscredentials", name)).spec.source.static_keys
    if source is None:
        raise ClusterError(f"AwsCredential {reader.namespace}/{name} names no Secret")
    reference = source.secret_ref
    data = reader.secret(reference.name)
    values = []
    for key in (reference.access_key_id_key, reference.secret_access_key_key):
        if key not in data:
            raise ClusterError(f"Secret {reader.namespace}/{reference.name} has no key {key!r}")
        try:
            values.append(b64decode(data[key], validate=True).decode().strip())
        except ValueError:
            raise ClusterError(f"Secret {reader.namespace}/{reference.name}: {key!r} is no text") from None
    return Credential(access_key_id=values[0], secret_access_key=values[1])


class _Reader:
    """Reads objects of one namespace."""

    def __init__(self, *, namespace: str, kubeconfig: Path | None) -> None:
        configuration = client.Configuration()
        configuration.retries = False
        try:
            if kubeconfig is None and _in_cluster(configuration):
                own = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read_text(encoding="ascii")
            else:
                file = str(kubeconfig) if kubeconfig else None
                load_kube_config(config_file=file, client_configuration=configuration)  # type: ignore[no-untyped-call]
                context = list_kube_config_contexts(config_file=file)[1]["context"]  # type: ignore[no-untyped-call]
                own = context.get("namespace", "default")
        except (ConfigException, OSError) as error:
            raise ClusterError(
                f"the kubeconfig can't be used: {plain_reason(error)}; give --kubeconfig FILE"
            ) from error
        except (ValueError, TypeError, AttributeError) as error:
            # What the client raises where it expects something else.
            raise ClusterError("the kubeconfig can't be used: it is malformed; give --kubeconfig FILE") from error
        self.namespace = namespace or own.strip()
        self._host = configuration.host
        api = client.ApiClient(configuration)
        self._core = client.CoreV1Api(api)
        self._custom = client.CustomObjectsApi(api)

    def custom(self, plural: str, name: str) -> dict[str, Any]:
        def get() -> Any:
            return self._custom.get_namespaced_custom_object(
                _GROUP, _VERSION, self.namespace, plural, name, _request_timeout=_TIMEOUT
            )

        answer: dict[str, Any] = self._asked(plural, name, get)
        return answer

    def secret(self, name: str) -> dict[str, str | bytes]:
        secret = self._asked(
            "Secret",
            name,
            lambda: self._core.read_namespaced_secret(name, self.namespace, _request_timeout=_TIMEOUT),
        )
        return secret.data or {}

    def config_map(self, name: str) -> dict[str, str]:
        config_map = self._asked(
            "ConfigMap",
            name,
            lambda: self._core.read_namespaced_config_map(name, self.namespace, _request_timeout=_TIMEOUT),
        )
        return config_map.data or {}

    def _asked(self, kind: str, name: str, get: Callable[[], _Answer]) -> _Answer:
        try:
            return get()
        except client.ApiException as error:
            reason = "does not exist" if error.status == _NOT_FOUND else f"can't be read: {error.status} {error.reason}"
            raise ClusterError(f"{kind} {self.namespace}/{name} {reason}") from error
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(
                f"the API server {self._host} can't be asked: {plain_reason(error)}; start it, or name another cluster "
                "with --kubeconfig"
            ) from error


def _in_cluster(configuration: client.Configuration) -> bool:
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except ConfigException:
        return False
    return True
