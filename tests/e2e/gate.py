"""A gate that knows when the first request came."""

import time

from tests.s3.gate import Gate, Rule


class TimedGate(Gate):
    first: float | None = None
    """Seconds since the machine was started."""

    def rule_for(self, request: str) -> Rule | None:
        if self.first is None:
            self.first = time.clock_gettime(time.CLOCK_BOOTTIME)
        return super().rule_for(request)
