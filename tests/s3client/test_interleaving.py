"""A call gives way when its request is on its way, and goes on when it is resumed."""

import threading

import pytest

from recording_storage.s3.interleaving import Interleaved, give_way
from tests.s3client.fake_server import FakeServer
from tests.s3client.replies import answer


def test_a_call_goes_on_where_it_gave_way():
    steps = []

    def call():
        steps.append("begun")
        waited = give_way()
        steps.append("resumed")
        return waited

    one = Interleaved(call)
    assert not one.resume()
    assert steps == ["begun"]
    assert one.resume()
    assert steps == ["begun", "resumed"]
    assert one.result is True


def test_who_was_not_made_to_be_interleaved_goes_straight_on():
    assert give_way() is False
    inside = Interleaved(lambda: [give_way() for _ in range(3)])
    assert [inside.resume() for _ in range(4)] == [False, False, False, True]
    assert give_way() is False


def test_what_a_call_raises_comes_out_of_the_resumption():
    def call():
        give_way()
        raise KeyError("k")

    one = Interleaved(call)
    one.resume()
    with pytest.raises(KeyError):
        one.resume()


def test_two_requests_of_one_thread_are_under_way_at_once(make_client):
    both = threading.Barrier(2, timeout=10)

    def reply(_request):
        both.wait()
        return answer(200, ETag="e")

    with FakeServer(reply) as server:
        client = make_client(server.endpoint)
        first, second = (Interleaved(lambda key=key: client.put_object(key, key.encode() * 1000)) for key in ("a", "b"))
        assert not first.resume()
        assert not second.resume()
        assert first.resume()
        assert second.resume()
    assert (first.result.etag, second.result.etag) == ("e", "e")
    assert {request.target: request.body for request in server.requests} == {
        "/bucket/a": b"a" * 1000,
        "/bucket/b": b"b" * 1000,
    }
