"""Multiple lending: answers as a central table gives them, and no id in a message."""

import json

from experiments import multiple_lending as experiment
from fedjax_shap.protocols.query import query

SMALL = ("population=60", "banks=3", "loans=20", "applicants=10")


def test_answers_are_those_of_a_central_table_and_no_message_holds_an_id(tmp_path, capsys):
    out = tmp_path / "out.json"
    drawn = tmp_path / "out.png"
    given = ["--json", str(out), "--figure", str(drawn)]
    assert experiment.main([*given, *(part for text in SMALL for part in ("--set", text))]) == 0
    assert drawn.read_bytes().startswith(b"\x89PNG")
    record = json.loads(out.read_text())
    assert [one["reveal"] for one in record["queries"]] == ["members", "count"]
    for one in record["queries"]:
        assert (one["wrong"], one["ids_in_messages"]) == (0, 0)
        assert sum(one["applicants_with_loans"]) == 10
        assert 0 < one["hits"] < 30
        banks = one["parties"][1:]
        assert all(party["readable"] == ["kind"] for party in banks)
    assert record["queries"][0]["hits"] == record["queries"][1]["hits"]
    assert "asker learns" in capsys.readouterr().out


def test_an_id_in_a_message_would_be_found(monkeypatch):
    answers = query(["client 1"], {"bank 1": ["client 1"]}, keep=True)
    assert experiment.ids_in_messages(answers, [["client 1"]]) == 0
    # what was sent stands in for an id's own point
    sent = next(seen for seen in answers.transcript if seen.name == "points").content
    monkeypatch.setattr(experiment, "hash_to_curve", lambda _messages: [sent])
    assert experiment.ids_in_messages(answers, [["client 1"]]) == 1


def test_settings_that_make_no_sense_are_refused(capsys):
    assert experiment.main(["--set", "loans=30000"]) == 2
    assert "loans=30000 to be at most the population of 20000" in capsys.readouterr().err
    assert experiment.main(["--set", "banks=1"]) == 2
    assert "banks=1 to be an integer >= 2" in capsys.readouterr().err
