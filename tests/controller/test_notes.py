"""What is told of a look is decided by the status that the object had before it, not by what its rounds have set."""

from typing import Any

import pytest

from recording_storage.controller.cluster.events import Events
from recording_storage.controller.cluster.index import read_object
from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.keys import Kind
from recording_storage.controller.kinds.aws_credential import decide as aws_credential
from recording_storage.controller.kinds.public_key import decide as public_key
from recording_storage.resources import AwsCredential, PublicKey
from tests.controller.one_look import ApiServer, Told, Written, item, look

ONE, TWO = f"AC{'1' * 32}", f"AC{'2' * 32}"
OLD, NEW = f"CR{'1' * 32}", f"CR{'2' * 32}"


async def test_an_account_that_is_another_one_is_told_though_the_first_round_has_noted_it() -> None:
    told, server = Told(), ApiServer(item(status={"accountSid": ONE}))
    rounds = (
        Decision(actions=("bind",), status={"accountSid": TWO}),
        Decision[str](status={"accountSid": TWO}, message="fine"),
    )
    await look(server, Written(*rounds), told=told)
    assert told.reasons.count("AccountReplaced") == 1

    again = Told()
    await look(server, Written(Decision[str](status={"accountSid": TWO}, message="fine")), told=again)
    assert "AccountReplaced" not in again.reasons


def credential(**status: Any) -> AwsCredential:
    source = {"type": "StaticKeys", "staticKeys": {"secretRef": {"name": "keys"}}}
    return AwsCredential.parse({"spec": {"accountRef": {"name": "a"}, "source": source}, "status": status})


def key(**status: Any) -> PublicKey:
    source = {"type": "Inline", "inline": "x"}
    return PublicKey.parse({"spec": {"accountRef": {"name": "a"}, "source": source}, "status": status})


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        ({}, {"sid": OLD, "secretVersion": "1"}, ["Created"]),
        ({"sid": OLD, "secretVersion": "1"}, {"sid": OLD, "secretVersion": "1"}, []),
        ({"sid": OLD, "secretVersion": "1"}, {"sid": NEW, "secretVersion": "1"}, ["Recreated"]),
        ({"sid": OLD, "secretVersion": "1"}, {"sid": NEW, "secretVersion": "2"}, []),
        ({}, {}, []),
    ],
)
def test_of_a_credential_its_first_and_its_lost_item_are_told(
    before: dict[str, Any], after: dict[str, Any], reasons: list[str]
) -> None:
    notes = aws_credential.changes(credential(**before), credential(**after))
    assert [note.reason for note in notes] == reasons


def test_of_a_key_its_first_and_its_lost_item_are_told() -> None:
    assert [note.reason for note in public_key.changes(key(), key(sid=OLD))] == ["Created"]
    (note,) = public_key.changes(key(sid=OLD), key(sid=NEW))
    assert (note.reason, note.warning) == ("Recreated", True)


def test_a_note_is_one_line_of_bounded_length_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    nothing: Any = None
    account = read_object(Kind.ACCOUNT, item())
    Events(nothing, now=nothing).tell(account, Note(reason="No", message="no\nforged" + "x" * 10_000, warning=True))
    (told,) = caplog.messages
    assert "No: no forgedx" in told
    assert len(told) < 2000
