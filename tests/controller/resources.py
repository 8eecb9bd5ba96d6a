"""The four resources as tests apply them."""

import base64
from typing import Any

from tests.controller.watching import API
from tests.s3.servers import Credentials

Document = dict[str, Any]


def resource(kind: str, name: str, namespace: str, spec: Document, **metadata: Any) -> Document:
    return {
        "apiVersion": API,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": spec,
    }


def account(namespace: str, name: str = "default", **spec: Any) -> Document:
    return resource("RecordingAccount", name, namespace, spec)


def secret(namespace: str, name: str, data: dict[str, str]) -> Document:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "Opaque",
        "data": encoded,
    }


def aws_secret(namespace: str, credentials: Credentials, name: str = "aws") -> Document:
    data = {"accessKeyId": credentials.access_key, "secretAccessKey": credentials.secret_key}
    return secret(namespace, name, data)


def aws_credential(namespace: str, name: str = "main", *, secret_name: str = "aws", **spec: Any) -> Document:
    source = {"type": "StaticKeys", "staticKeys": {"secretRef": {"name": secret_name}}}
    return resource("AwsCredential", name, namespace, {"accountRef": {"name": "default"}, "source": source} | spec)


def public_key(namespace: str, pem: str, name: str = "k1", **spec: Any) -> Document:
    source = {"type": "Inline", "inline": pem}
    return resource("PublicKey", name, namespace, {"accountRef": {"name": "default"}, "source": source} | spec)


def settings(namespace: str, url: str, name: str = "default", **spec: Any) -> Document:
    storage = {"enabled": True, "url": url, "credentialRef": {"name": "main"}} | spec.pop("awsStorage", {})
    body = {"accountRef": {"name": "default"}, "friendlyName": "production", "awsStorage": storage, "interval": "10s"}
    return resource("RecordingSettings", name, namespace, body | spec)
