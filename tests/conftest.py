"""Fixtures of all tests; each starts its server only when a test asks for it."""

import signal

import pytest

pytest_plugins = [
    "tests.tools.prebuild",
    "tests.cluster.fixtures",
    "tests.s3.fixtures",
    "tests.postgres.fixtures",
    "tests.field.fixtures",
    "tests.media.fixtures",
    "tests.image.fixtures",
    "tests.health.fixtures",
]

# Uploaders run inside the test process, and whoever opens a file while one asks for a lease of it would end that with
# SIGIO. A handler, unlike SIG_IGN, is not passed on: processes of their own must see to it themselves.
signal.signal(signal.SIGIO, lambda _number, _frame: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kubeconfig", default=None, help="use this cluster and start none (default: KUBECONFIG, if it is set)"
    )
