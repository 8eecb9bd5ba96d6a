"""An event loop whose time passes at once where all of its tasks wait: what goes by minutes is tried in no time.

However busy the machine is, nothing comes too late there. For tasks that wait for each other and for the loop's own
time alone, not for threads or connections.
"""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from typing import ParamSpec

P = ParamSpec("P")


class _Skipping(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += max(timeout or 0.0, 0.0)
        return super().select(0)


class _FastLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


def in_fast_time(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """The test, run in such a loop."""

    async def whole(*args: P.args, **kwargs: P.kwargs) -> None:
        await test(*args, **kwargs)

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=_FastLoop) as runner:
            runner.run(whole(*args, **kwargs))

    return run
