"""The benchmark of scaling: each number in a process of its own."""

import json

import pytest

from benchmarks import (
    scaling,
)


@pytest.mark.slow
def test_the_scaling_benchmark_measures_each_number_in_a_process_of_its_own_and_draws_it(
    tmp_path, capsys
):
    out = tmp_path / "out.json"
    drawn = tmp_path / "deep" / "out.png"
    sizes = ["--clients", "3", "--devices", "2", "--clients-on-devices", "3"]
    work = ["--rounds", "1", "--steps", "1", "--repeats", "1"]
    given = [*sizes, *work, "--json", str(out), "--figure", str(drawn)]
    assert scaling.main(given) == 0
    record = json.loads(out.read_text())
    assert [row["n"] for row in record["rows"]] == [3]
    assert drawn.exists()
    fewer = {**record["rows"][0], "n": 2}
    seconds, *_ = scaling.figure({**record, "rows": [fewer, *record["rows"]]}).axes
    assert [line.get_xdata().tolist() for line in seconds.lines] == [[2, 3], [2, 3]]
    (spread,) = record["devices_rows"]
    assert spread["devices"] == 2 == spread["plan"]["devices"] and spread["device"].endswith(
        "2 device(s)"
    )
    assert record["rows"][0]["trainings_per_second"] == pytest.approx(
        7 / record["rows"][0]["seconds_engine"]
    )
    assert str(tmp_path) not in record["command"] and "trainings" in capsys.readouterr().out


def test_a_process_that_fails_is_reported_in_one_sentence(capsys):
    assert scaling.main(["--clients", "0", "--devices"]) == 2
    assert "n=0" in capsys.readouterr().err
