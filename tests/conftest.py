"""Fixtures of all tests; each starts its server only when a test asks for it."""

import pytest

pytest_plugins = [
    "tests.tools.prebuild",
    "tests.cluster.fixtures",
    "tests.s3.fixtures",
    "tests.postgres.fixtures",
    "tests.media.fixtures",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kubeconfig", default=None, help="use this cluster and start none (default: KUBECONFIG, if it is set)"
    )
