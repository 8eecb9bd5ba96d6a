"""An object that is replaced, or changed, while the operator looks at it."""

from collections.abc import Mapping
from typing import Any

import pytest

from recording_storage.controller.cluster.kube import KubeError
from recording_storage.controller.core.decision import Decision
from tests.controller.one_look import ApiServer, Written, item, look


class Meanwhile(Written):
    """Its one look takes so long that the object's metadata change."""

    def __init__(self, server: ApiServer, change: Mapping[str, Any]) -> None:
        super().__init__(Decision(status={"accountSid": f"AC{'1' * 32}"}))
        self._server = server
        self._change = change

    async def observe(self, resource: Any) -> str:
        self._server.item = {**self._server.item, "metadata": self._server.item["metadata"] | self._change}
        return await super().observe(resource)


async def test_nothing_is_written_to_another_object_of_the_same_name() -> None:
    server = ApiServer(item())
    with pytest.raises(KubeError) as caught:
        await look(server, Meanwhile(server, {"uid": "u2", "resourceVersion": "5"}))
    assert caught.value.conflict
    assert server.patches == []


async def test_a_change_by_somebody_else_takes_no_status_away() -> None:
    server = ApiServer(item())
    await look(server, Meanwhile(server, {"resourceVersion": "5", "annotations": {"of-others": "1"}}))
    assert server.item["status"]["accountSid"] == f"AC{'1' * 32}"
