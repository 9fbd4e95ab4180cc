"""The benchmark of alignments: a row for each size and number of parties, and refusals."""

import json

from benchmarks import alignment


def test_each_size_and_number_of_parties_has_a_row_beside_the_published_ones(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(alignment, "SAMPLE", 20)
    out = tmp_path / "out.json"
    assert alignment.main(["--quick", "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    assert [(row["parties"], row["ids"], row["common"]) for row in record["rows"]] == [
        (2, 50, 25),
        (3, 50, 25),
    ]
    two = record["rows"][0]
    # two hellos of 8 + 5 + 32; 50 points and 50 products of 32; 50 labels and 25 tags of 16
    sent = 2 * (8 + len("texts") + 32) + 2 * 50 * 32 + 75 * 16
    assert sum(row["bytes"] for row in two["messages"]) == sent
    assert two["bytes_per_id"] == sent / 100
    assert len(record["published"]) == 2
    assert "Published: FATE 2.0" in capsys.readouterr().out


def test_sides_that_are_too_small_are_refused(capsys):
    assert alignment.main(["--sizes", "1"]) == 2
    assert "sizes=1 to be an integer >= 2" in capsys.readouterr().err
    assert alignment.main(["--parties", "1", "--sizes", "10"]) == 2
    assert "parties=1 to be an integer >= 2" in capsys.readouterr().err
