"""The annotation `spool-spec`: what can be used counts, what can't is told with field, value and remedy."""

import pytest

from recording_storage.domain.spool_spec import SpoolSpec, read_spool_spec


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", SpoolSpec()),
        ("{}", SpoolSpec()),
        ('{"completion": {"mode": "Marker"}}', SpoolSpec(marker_only=True)),
        ('{"completion": {"mode": "Auto", "settle": "1m"}}', SpoolSpec(marker_only=False, settle=60.0)),
        ('{"completion": {"quietProof": "30m"}, "layout": "Files"}', SpoolSpec(quiet_proof=1800.0)),
        ('{"accountFrom": "TopDirectory"}', SpoolSpec(account_from="TopDirectory")),
    ],
)
def test_what_is_asked_for(text: str, wanted: SpoolSpec) -> None:
    assert read_spool_spec(text) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON object; write for example {"),
        ("[]", "is no JSON object"),
        ("[" * 4000, "is no JSON object"),
        ('{"completion": "Marker"}', "completion: 'Marker' is no object"),
        ('{"completion": {"mode": "marker"}}', "completion.mode: 'marker' is not one of Auto, Marker"),
        ('{"completion": {"settle": "soon"}}', "completion.settle: 'soon' is no duration"),
        ('{"completion": {"settle": 5}}', "completion.settle: 5 is no duration; write for example '30s'"),
        ('{"completion": {"settle": "2h"}}', "completion.settle: '2h' is not between 1s and 1h"),
        ('{"completion": {"modus": 1}}', "completion.modus is no field; there are mode, quietProof, settle"),
        ('{"layout": "Directories"}', "layout: 'Directories' is not served yet"),
        ('{"layout": {}}', "layout: {} is not one of Files"),
        ('{"accountFrom": null}', "accountFrom: None is not one of Spool, Metadata, TopDirectory"),
        ('{"drain": {}}', "drain is no field; there are accountFrom, completion, layout"),
    ],
)
def test_what_can_t_be_used_is_told(text: str, words: str) -> None:
    (fault,) = read_spool_spec(text).faults
    assert words in fault


def test_one_bad_field_leaves_the_others_alone() -> None:
    spec = read_spool_spec('{"completion": {"mode": "Marker", "settle": "x"}, "accountFrom": "Metadata"}')
    assert (spec.marker_only, spec.settle, spec.account_from) == (True, None, "Metadata")
    assert len(spec.faults) == 1
