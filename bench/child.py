"""Run a program and print what the kernel says of it; a script of its own, standard library only.

The peak that wait4 reports begins with the memory of whoever forked, so the one who forks must be small: this one has
10 MB, the benchmark itself six times that. SIGTERM is passed on: it ends a program that runs until it is stopped.

    python -I -S child.py TIMEOUT LOG PROGRAM [ARGUMENT...]
"""

import json
import os
import signal
import sys
import time


def main() -> None:
    timeout, log, argv = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    files = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    started = time.monotonic()
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=files)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, timeout)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - started
    print(  # noqa: T201 - the answer
        json.dumps(
            {
                "code": os.waitstatus_to_exitcode(status),
                "seconds": seconds,
                "cpu": usage.ru_utime + usage.ru_stime,
                "rss": usage.ru_maxrss * 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
