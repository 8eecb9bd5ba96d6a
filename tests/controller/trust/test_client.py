"""Certificates of somebody else: whom to trust is read again, and published."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recording_storage.controller.cluster.identity import Identity
from recording_storage.controller.cluster.kube import Kube as OperatorKube
from recording_storage.controller.trust.certificates import new_authority
from recording_storage.controller.trust.client import TrustedFile
from recording_storage.controller.trust.objects import OwnObjects
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube

pytestmark = pytest.mark.slow


def authority() -> str:
    return new_authority("a", life=timedelta(days=1), now=datetime.now(UTC)).certificate


def test_a_file_that_is_replaced_is_trusted_and_published(
    cluster: Cluster, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    file = tmp_path / "ca.crt"

    def published() -> str:
        text: str = kube.get("v1", "ConfigMap", "ca", namespace=namespace)["data"]["ca.crt"]
        return text

    async def looks() -> None:
        async with OperatorKube(await Identity.of(cluster.kubeconfig)) as own:
            objects = OwnObjects(own, namespace=namespace)
            trusted = TrustedFile(file, context, objects, config_map="ca")
            for number in (1, 2):
                file.write_text(authority())
                await trusted.look()
                assert published() == file.read_text()
                assert len(context.get_ca_certs()) == number
            before = published()
            file.write_text("nonsense")
            with pytest.raises(ssl.SSLError):
                await trusted.look()
            assert published() == before

    asyncio.run(looks())
