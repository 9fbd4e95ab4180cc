"""The benchmark of encrypted training: rows beside the published ones, and refusals."""

import json

from benchmarks import encrypted_training


def test_each_size_has_a_row_beside_the_published_ones(tmp_path, capsys):
    out = tmp_path / "out.json"
    assert encrypted_training.main(["--quick", "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    [row] = record["rows"]
    assert (row["rows"], row["label_holder_columns"], row["host_columns"]) == (20, 2, 3)
    # of one epoch: a part a row, a mask a column and the loss
    assert row["work"]["host 1"]["encryptions"] == 20 + 3 + 1
    assert row["work"]["label holder"]["products"] == 20 * (2 + 1 + 1)
    assert row["work"]["coordinator"]["decryptions"] == 3 + 2 + 1 + 1
    assert 0 < row["encryption_share"] < 1
    assert [one["minutes"] for one in record["published"]] == [2 + 41 / 60, 2 + 16 / 60]
    assert "FATE 2.0, published" in capsys.readouterr().out


def test_sizes_that_are_none_are_refused(capsys):
    assert encrypted_training.main(["--rows", "1"]) == 2
    assert "rows=1 to be an integer >= 2" in capsys.readouterr().err
    assert encrypted_training.main(["--key-bits", "1024"]) == 2
    assert "at least 2,048 bits, got bits=1024" in capsys.readouterr().err
