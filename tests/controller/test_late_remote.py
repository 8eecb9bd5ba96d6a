"""An account at a remote store that shows its own work a minute late comes to Ready at once, with one credential."""

import json
import threading

import httpx
import pytest

from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.odd_store import Asked, OddStore, Told
from tests.controller.test_remote import open_account
from tests.waiting import SOON

pytestmark = pytest.mark.slow
LISTS = ("/v1/Credentials/AWS?", "/v1/Credentials/PublicKeys?")


class Late:
    """Passes everything on to the real store; its lists lack what was made while it is late."""

    def __init__(self, url: str, *, lose_first_creation: bool) -> None:
        self._url = url
        self._lose = lose_first_creation
        self._hidden: set[str] = set()
        self._lock = threading.Lock()

    def show(self) -> None:
        with self._lock:
            self._hidden.clear()

    def __call__(self, asked: Asked) -> Told:
        names = {"authorization", "content-type"}
        headers = {name: value for name, value in asked.headers.items() if name.lower() in names}
        answer = httpx.request(asked.method, self._url + asked.path, headers=headers, content=asked.body, timeout=SOON)
        body = answer.content
        with self._lock:
            if asked.method == "POST" and asked.path == "/v1/Credentials/AWS" and answer.is_success:
                self._hidden.add(answer.json()["sid"])
                lost, self._lose = self._lose, False
                if lost:
                    return Told(lost=True)
            if asked.method == "GET" and asked.path.startswith(LISTS):
                page = answer.json()
                key = page["meta"]["key"]
                page[key] = [each for each in page[key] if each["sid"] not in self._hidden]
                body = json.dumps(page).encode()
        return Told(status=answer.status_code, body=body)


def apply(world: World, opened: dict[str, str], url: str) -> None:
    world.apply(
        resources.secret(
            world.namespace, "key", {"username": opened["api_key_sid"], "password": opened["api_key_secret"]}
        ),
        resources.account(
            world.namespace,
            store={"type": "Remote", "endpoints": dict.fromkeys(("video", "accounts", "api"), url)},
            accountSid=opened["account_sid"],
            apiKeySecretRef={"name": "key"},
        ),
        resources.aws_secret(world.namespace, world.bucket.credentials),
        resources.aws_credential(world.namespace),
        resources.settings(world.namespace, world.bucket.url, products=["video"]),
    )


def test_lists_that_are_late_lead_to_no_copies(world: World, odd_port: int) -> None:
    opened = open_account(world)
    with OddStore(Late(world.store.url, lose_first_creation=False), port=odd_port) as late:
        apply(world, opened, late.url)
        world.ready("RecordingSettings", "default")
        world.ready("AwsCredential", "main")
        assert sum(each == "POST /v1/Credentials/AWS" for each in late.writes) == 1


def test_a_creation_whose_answer_was_lost_is_found_again(world: World, odd_port: int) -> None:
    opened = open_account(world)
    late = Late(world.store.url, lose_first_creation=True)
    with OddStore(late, port=odd_port) as store:
        apply(world, opened, store.url)
        world.until(
            "AwsCredential",
            "main",
            lambda each: "has not answered" in str(each["status"].get("conditions")),
        )
        late.show()
        world.ready("RecordingSettings", "default")
        assert sum(each == "POST /v1/Credentials/AWS" for each in store.writes) == 1
