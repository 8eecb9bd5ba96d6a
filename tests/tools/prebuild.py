"""Builds what the collected tests need before the first of them runs.

A cold build takes minutes: inside a fixture it would count against the timeout of the test, and pytest would swallow
its progress.
"""

from collections.abc import Iterable
from contextlib import suppress

import pytest

from tests.image import builder
from tests.tools import binaries, rights
from tests.tools.errors import ToolFailed, ToolMissing

IMAGE = "image"
NODE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
RUNTIME = ("containerd", "containerd-shim-runc-v2", "ctr", "coredns")
PEOPLE = ("kubectl", "helm")
"""What the pages of docs/ are followed with."""
NEEDS = {
    "node": (*NODE, *RUNTIME, *PEOPLE, IMAGE, "versitygw"),
    "image": (IMAGE,),
    "cluster": ("etcd", "kube-apiserver"),
    "controller_manager": ("kube-controller-manager",),
    "helm_tool": ("helm",),
    "health_judge": ("health",),
    "versity_server": ("versitygw",),
    "versity_tls_server": ("versitygw",),
}


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    for tool in dict.fromkeys(_needed(session.items)):
        with suppress(ToolMissing, ToolFailed):  # the fixture tells it where it matters
            if tool == IMAGE:
                builder.built()
            else:
                binaries.find(tool)


def _needed(items: Iterable[pytest.Item]) -> Iterable[str]:
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if (callspec := getattr(item, "callspec", None)) is not None:
            names.update(value for value in callspec.params.values() if isinstance(value, str))
        for fixture, tools in NEEDS.items():
            if fixture in names and not (fixture == "node" and rights.missing()):
                yield from tools
