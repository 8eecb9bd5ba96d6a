"""kopf runs in a thread of a process that is not its own."""

import asyncio
import signal

import pytest
from kopf._core.reactor.running import ultimate_termination

from recording_storage.controller.cluster.handlers import _settings


async def test_kopf_kills_nobody_when_it_has_ended_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[object] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda _, call, *__: planned.append(call))
    task = asyncio.create_task(ultimate_termination(settings=_settings(), stop_flag=None))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert signal.pthread_kill not in planned
