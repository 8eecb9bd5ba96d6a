"""S3 is away for longer than the retry window: parked, and never lost."""

import json
from pathlib import Path

import httpx

from tests.journeys.site import Site, Take
from tests.waiting import SOON, eventually


def test_parked_survives_sigkill_and_a_retry_by_command_stores_it(site: Site, speech: list[Path]) -> None:
    take = _parked(site, speech)
    site.kill_uploader()
    asleep = json.loads(_only_line(site.command("recordings", "--json").out))
    assert (asleep["file"], asleep["state"]) == (take.name, "parked")

    site.start_uploader()
    site.platform.gate.open()
    site.assert_stored(site.record("later.wav", speech[1].read_bytes()))
    assert site.recordings()[take.name]["state"] == "parked"  # by itself it never moves
    site.assert_kept(take)

    assert site.command("retry").code == 0
    site.assert_stored(take)
    assert site.command("status").code == 0


def test_a_retry_by_the_stores_command_reaches_the_uploader(site: Site, speech: list[Path]) -> None:
    take = _parked(site, speech)
    site.platform.gate.open()

    id_ = _command(site, {"kind": "retry_all"})

    site.assert_stored(take)
    done = eventually(lambda: (s := _command_status(site, id_))["acknowledged_spools"] and s, what="acknowledged")
    assert done["pending_spools"] == []


def test_within_the_window_it_goes_on_by_itself(site: Site, speech: list[Path]) -> None:
    site.open(retryWindow="10m")
    site.platform.gate.refuse()
    take = site.record("call.wav", speech[0].read_bytes())
    waiting = site.wait_state(take, "waiting")
    assert waiting["error"]["kind"] == "transient"
    assert waiting["retry_at"]

    site.platform.gate.open()

    site.assert_stored(take)


def _parked(site: Site, speech: list[Path]) -> Take:
    """A recording whose window of two seconds is over, while the gate is shut."""
    site.open(retryWindow="2s")
    site.platform.gate.refuse()
    take = site.record("call.wav", speech[0].read_bytes())
    parked = site.wait_state(take, "parked")
    assert parked["attempts"] >= 1
    site.assert_kept(take)
    assert site.bucket.keys() == []
    assert site.wait_told(parked["sid"], "processing").media_url is None  # it isn't lost: it only waits to be asked for
    return take


def _command(site: Site, command: dict[str, str]) -> str:
    answer = httpx.post(_commands(site), json=command, headers=_operator(site), timeout=SOON)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _command_status(site: Site, id_: str) -> dict[str, list[str]]:
    answer: dict[str, list[str]] = httpx.get(f"{_commands(site)}/{id_}", headers=_operator(site), timeout=SOON).json()
    return answer


def _commands(site: Site) -> str:
    return f"{site.platform.internal_url}/internal/v1/accounts/{site.account_sid}/commands"


def _operator(site: Site) -> dict[str, str]:
    return {"Authorization": f"Bearer {site.platform.operator_token}"}


def _only_line(text: str) -> str:
    (line,) = text.splitlines()
    return line
