"""Waits for an object by the API server's watch, so that no test sleeps."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import urllib3

from tests.cluster.kube import Document, Kube, KubeError
from tests.waiting import SOON

API = "recordingstorage.dev/v1alpha1"
Test = Callable[[Document], Any]


class NotInTime(AssertionError):  # noqa: N818 - reads as the failure it is
    pass


def until(
    kube: Kube, kind: str, name: str, test: Test, *, namespace: str, timeout: float = SOON, api_version: str = API
) -> Document:
    """The object as soon as `test` is true of it; fails with what it was last, after `timeout` seconds."""
    last: Document = {}
    for last in versions(kube, kind, name, namespace=namespace, timeout=timeout, api_version=api_version):
        if last.get("metadata") and test(last):
            return last
    raise NotInTime(f"{kind} {name} after {timeout:.0f} s:\n{json.dumps(last.get('status', last), indent=1)}")


def until_gone(
    kube: Kube, kind: str, name: str, *, namespace: str, timeout: float = SOON, api_version: str = API
) -> None:
    last: Document = {}
    for last in versions(kube, kind, name, namespace=namespace, timeout=timeout, api_version=api_version):
        if not last:
            return
    raise NotInTime(f"{kind} {name} is still there after {timeout:.0f} s:\n{json.dumps(last, indent=1)}")


def versions(
    kube: Kube, kind: str, name: str, *, namespace: str, timeout: float, api_version: str = API
) -> Iterator[Document]:
    """The object now and after each change, for `timeout` seconds; {} when it isn't there."""
    deadline = time.monotonic() + timeout
    collection = kube.path_of(api_version, kind, namespace=namespace)
    while (left := deadline - time.monotonic()) > 0:
        try:
            found = kube.get(api_version, kind, name, namespace=namespace)
        except KubeError as error:
            if error.status != 404:
                raise
            found = {}
        yield found
        query = {"watch": "1", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": str(max(1, int(left)))}
        if found:
            query["resourceVersion"] = found["metadata"]["resourceVersion"]
        for event in _stream(kube, f"{collection}?{urlencode(query)}", timeout=left + 1):
            if event["type"] == "ERROR":
                break
            yield {} if event["type"] == "DELETED" else event["object"]
            if time.monotonic() > deadline:
                return


def _stream(kube: Kube, path: str, *, timeout: float) -> Iterator[Document]:
    configuration = kube.api.configuration
    headers = {"Accept": "application/json"}
    if authorization := configuration.auth_settings().get("BearerToken"):
        headers["Authorization"] = authorization["value"]
    response = kube.api.rest_client.pool_manager.request(
        "GET", configuration.host + path, headers=headers, preload_content=False, timeout=timeout, retries=False
    )
    rest = b""
    try:
        for chunk in response.stream(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield json.loads(line)
    except urllib3.exceptions.TimeoutError:
        return
    finally:
        response.close()


def condition(found: Document, type_: str) -> Document:
    for each in found.get("status", {}).get("conditions", []):
        if each["type"] == type_:
            return dict(each)
    return {}


def ready(found: Document) -> bool:
    """Ready True for the present generation."""
    each = condition(found, "Ready")
    return each.get("status") == "True" and each["observedGeneration"] == found["metadata"]["generation"]


def is_(type_: str, status: str, reason: str | None = None) -> Test:
    """A test: the condition has this status, and reason if given, for the present generation."""

    def test(found: Document) -> bool:
        each = condition(found, type_)
        return (
            each.get("status") == status
            and (reason is None or each["reason"] == reason)
            and each["observedGeneration"] == found["metadata"]["generation"]
        )

    return test
