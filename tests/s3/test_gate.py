"""The gate does to a connection what it says, and nothing else."""

import threading
import time
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from tests.s3.fixtures import Bucket
from tests.s3.gate import Gate
from tests.waiting import SOON

pytestmark = pytest.mark.slow


@pytest.fixture
def slow_gate(bucket: Bucket) -> Iterator[Gate]:
    with Gate(bucket.server.endpoint, bandwidth=1_000_000) as opened:
        yield opened


def test_what_passes_arrives_whole(bucket: Bucket, gate: Gate) -> None:
    body = bytes(range(256)) * 10_000
    client = bucket.client(endpoint=gate.endpoint)
    for number in range(3):  # on one connection where the server keeps it open
        client.put_object(Bucket=bucket.name, Key=f"calls/{number}", Body=body)
    assert bucket.read("calls/2") == body
    assert gate.requests == [f"PUT /{bucket.name}/calls/{number}" for number in range(3)]


def test_a_refused_connection_is_refused_until_the_gate_opens(bucket: Bucket, gate: Gate) -> None:
    client = bucket.client(endpoint=gate.endpoint)
    gate.refuse()
    with pytest.raises(EndpointConnectionError):
        client.put_object(Bucket=bucket.name, Key="calls/x", Body=b"x")
    gate.open()
    client.put_object(Bucket=bucket.name, Key="calls/x", Body=b"x")


def test_a_reset_reaches_the_client(bucket: Bucket, gate: Gate) -> None:
    client = bucket.client(endpoint=gate.endpoint)
    gate.reset()
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        client.put_object(Bucket=bucket.name, Key="calls/x", Body=b"x")
    assert bucket.keys() == []


def test_what_stalls_goes_on_afterwards(bucket: Bucket, gate: Gate) -> None:
    client = bucket.client(endpoint=gate.endpoint)
    gate.stall()
    put = threading.Thread(target=client.put_object, kwargs={"Bucket": bucket.name, "Key": "calls/x", "Body": b"x"})
    put.start()
    put.join(0.5)
    assert put.is_alive()
    assert bucket.keys() == []
    gate.open()
    put.join(SOON)
    assert bucket.keys() == ["calls/x"]


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_of_a_lost_answer_the_server_has_done_the_work(bucket: Bucket, gate: Gate, size: int) -> None:
    client = bucket.client(endpoint=gate.endpoint)
    rule = gate.lose_answer("^PUT .*/calls/", skip=1)
    client.put_object(Bucket=bucket.name, Key="calls/heard", Body=b"x" * size)
    with pytest.raises(ConnectionClosedError):
        client.put_object(Bucket=bucket.name, Key="calls/unheard", Body=b"x" * size)
    assert rule.done.wait(SOON)
    assert bucket.keys() == ["calls/heard", "calls/unheard"]


def test_an_answer_of_the_gate_replaces_the_servers(bucket: Bucket, gate: Gate) -> None:
    client = bucket.client(endpoint=gate.endpoint)
    gate.answer("^PUT ", 503, code="SlowDown")
    with pytest.raises(ClientError) as caught:
        client.put_object(Bucket=bucket.name, Key="calls/x", Body=b"x" * 3_000_000)
    assert caught.value.response["Error"]["Code"] == "SlowDown"
    assert bucket.keys() == []
    client.put_object(Bucket=bucket.name, Key="calls/x", Body=b"x")


def test_bandwidth_is_limited(bucket: Bucket, slow_gate: Gate) -> None:
    started = time.monotonic()
    bucket.client(endpoint=slow_gate.endpoint).put_object(Bucket=bucket.name, Key="calls/x", Body=b"x" * 1_000_000)
    assert time.monotonic() - started > 0.9
