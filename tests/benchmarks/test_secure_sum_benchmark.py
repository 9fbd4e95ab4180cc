"""The benchmark of secure sums: rows beside the published ones, and refusals."""

import json

from benchmarks import secure_sum


def test_each_adversary_and_drop_out_has_a_row_beside_the_published_ones(tmp_path, capsys):
    out = tmp_path / "out.json"
    assert secure_sum.main(["--quick", "--drop-outs", "0", "0.2", "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    assert [(row["against"], row["survivors"]) for row in record["rows"]] == [
        ("server", 5),
        ("server", 4),
        ("server and members", 5),
        ("server and members", 4),
    ]
    first = record["rows"][0]
    # keys 64; a digest 32 and 4 x 86 of sealed shares; 4 x 100 of words; 5 shares of seeds
    assert first["member_bytes_sent"] == 64 + 32 + 4 * 86 + 400 + 5 * 37
    assert len(record["published"]) == 6
    assert "(published)" in capsys.readouterr().out


def test_more_drop_outs_than_the_threshold_allows_are_refused(capsys):
    assert secure_sum.main(["--quick", "--drop-outs", "0.6"]) == 2
    assert "drop_outs=0.6 to leave at least 3 of 5 members" in capsys.readouterr().err
