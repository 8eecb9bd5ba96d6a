"""A call gives way where it would wait for its connection, and goes on when it is resumed."""

import os
import select
import subprocess
import sys
import threading
import time
import weakref

import pytest
from greenlet import getcurrent

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.s3.greenlets import Interleaved, Stacks, Waiting, is_ready
from tests.s3client.fake_server import FakeServer
from tests.s3client.replies import answer


@pytest.fixture
def bell():
    """A descriptor that is not ready."""
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    yield fd
    os.close(fd)


def all_of(*calls):
    """Each call's result, in the order of their ends; they share this thread."""
    results, waiting, stacks = [], Waiting(), Stacks()

    def go_on(one, *, ready=True):
        wait = one.resume(ready=ready)
        if wait is None:
            results.append(one.result)
        else:
            waiting.add(one, wait)

    for call in calls:
        go_on(Interleaved(call, stacks=stacks))
    while waiting:
        for one, ready in list(waiting.take()):
            go_on(one, ready=ready)
    return results


def test_a_call_goes_on_where_it_gave_way(bell):
    one = Interleaved(lambda: is_ready(bell, select.POLLIN, seconds=20), stacks=Stacks())
    before = time.monotonic()
    wait = one.resume()
    assert (wait.fd, wait.event) == (bell, select.POLLIN)
    assert before + 20 <= wait.until <= time.monotonic() + 20
    assert one.resume(ready=True) is None
    assert one.result is True


def test_who_was_not_made_to_be_interleaved_waits_itself(bell):
    assert is_ready(bell, select.POLLIN, seconds=0.01) is False
    os.eventfd_write(bell, 1)
    assert is_ready(bell, select.POLLIN, seconds=20) is True
    assert is_ready(bell, select.POLLIN, seconds=0.0) is False, "its time was up before"


def test_what_a_call_raises_comes_out_of_the_resumption(bell):
    def call():
        is_ready(bell, select.POLLIN, seconds=20)
        raise KeyError("k")

    one = Interleaved(call, stacks=Stacks())
    one.resume()
    with pytest.raises(KeyError):
        one.resume(ready=False)


AMID_A_COLLECTION = """
import gc, threading, time
from recording_storage.s3.greenlets import Stacks, _Running

made, ended = threading.Event(), threading.Event()

class Slow:
    def __init__(self):
        self.cycle = self

    def __del__(self):
        ended.set()
        thread.join()
        time.sleep(0.2)  # what is left of the thread is freed a little later, between two instructions of this one

def live():
    one = {one}
    slow = Slow()
    slow.one = one
    del one, slow
    made.set()
    ended.wait()

gc.disable()
thread = threading.Thread(target=live)
thread.start()
made.wait()
gc.collect()
gc.collect()
"""


@pytest.mark.parametrize("one", ["Stacks().take()", "_Running(print)"])  # one that waits, and one that never began
def test_a_thread_that_ends_while_its_calls_are_collected_crashes_nothing(one):
    overwriting = {**os.environ, "PYTHONMALLOC": "debug"}  # what is freed is no longer what it was
    subprocess.run([sys.executable, "-c", AMID_A_COLLECTION.format(one=one)], check=True, env=overwriting)


def test_calls_one_after_the_other_share_a_stack_and_one_that_raised_takes_its_own_along(bell):
    stacks, used = Stacks(), []

    def call():
        used.append(getcurrent())
        is_ready(bell, select.POLLIN, seconds=20)
        if len(used) == 2:
            raise KeyError("k")

    def make():
        one = Interleaved(call, stacks=stacks)
        one.resume()
        return one

    assert make().resume() is None
    with pytest.raises(KeyError):
        make().resume()
    assert make().resume() is None
    assert used[0] is used[1] is not used[2]
    both = [make(), make()]
    assert used[2] in used[3:], "it was free"
    assert used[3] is not used[4], "both are under way"
    assert [one.resume() for one in both] == [None, None]


def test_a_stack_keeps_nothing_of_its_last_call_and_goes_with_the_others(bell):
    stacks, used = Stacks(), []

    def call():
        used.append(weakref.ref(getcurrent()))
        is_ready(bell, select.POLLIN, seconds=20)

    one = Interleaved(call, stacks=stacks)
    one.resume()
    assert one.resume() is None
    ended = weakref.ref(one)
    del one
    assert ended() is None
    assert used[0]() is not None
    del stacks
    assert used[0]() is None, "or each thread that ends would leave some behind"


def test_one_whose_time_is_up_goes_on_without_what_it_waited_for(bell):
    assert all_of(lambda: is_ready(bell, select.POLLIN, seconds=0.05), lambda: "at once") == ["at once", False]


def test_two_requests_of_one_thread_are_under_way_at_once(make_client):
    both = threading.Barrier(2, timeout=10)

    def reply(_request):
        both.wait()
        return answer(200, ETag="e")

    with FakeServer(reply) as server:
        client = make_client(server.endpoint)
        stored = all_of(*(lambda key=key: client.put_object(key, key.encode() * 1000) for key in ("a", "b")))
    assert [each.etag for each in stored] == ["e", "e"]
    assert {request.target: request.body for request in server.requests} == {
        "/bucket/a": b"a" * 1000,
        "/bucket/b": b"b" * 1000,
    }


def test_no_answer_waits_for_another_one(make_client):
    go_on = threading.Event()

    def reply(request):
        assert request.target != "/bucket/slow" or go_on.wait(20)
        return answer(200, ETag="e")

    others = []

    def put(client, key):
        client.put_object(key, b"hello")
        if key != "slow":
            others.append(key)
            if len(others) == 2:
                go_on.set()
        return key

    with FakeServer(reply) as server:
        client = make_client(server.endpoint)
        ended = all_of(*(lambda key=key: put(client, key) for key in ("slow", "one", "two")))
    assert ended == [*others, "slow"]


def test_the_time_for_an_answer_begins_when_the_request_was_sent(make_client):
    """However long the thread is kept with another one before it looks."""
    never = threading.Event()

    def reply(_request):
        never.wait(20)
        return answer(200, ETag="e")

    with FakeServer(reply) as server:
        client = make_client(server.endpoint, read_timeout=5.0)
        one = Interleaved(lambda: client.put_object("k", b"hello"), stacks=Stacks())
        before, wait = time.monotonic(), one.resume()
        while wait.event != select.POLLIN:  # connecting
            before, wait = time.monotonic(), one.resume()
        assert before + 5.0 <= wait.until <= time.monotonic() + 5.0
        with pytest.raises(S3Failure) as caught:
            one.resume(ready=False)
        never.set()
    assert (caught.value.kind, caught.value.code) == (FailureClass.TRANSIENT, "ReadTimeout")
