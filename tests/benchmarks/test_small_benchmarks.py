"""The benchmarks behind single choices: they compare what they time, and refuse bad numbers."""

import json

import pytest

from benchmarks import convolutions, precision, products


def record_of(benchmark, tmp_path, *arguments):
    out = tmp_path / "out.json"
    assert benchmark.main([*map(str, arguments), "--json", str(out)]) == 0
    return json.loads(out.read_text())


def test_values_in_fewer_bits_are_compared_with_those_in_float32(tmp_path):
    sizes = ("--n", 2, "--hidden", 3, "--rounds", 1, "--steps", 2)
    record = record_of(precision, tmp_path, *sizes, "--repeats", 1, "--chunk", 4)
    full, split, tf32, half, *emulated = record["rows"]
    named = [row["precision"] for row in record["rows"]]
    assert named[:4] == ["float32", "tf32x3", "tf32", "bfloat16"]
    assert named[4:] == ["tf32x3, emulated", "tf32, emulated"]
    assert full["max_difference"] == 0 and full["spearman"] == pytest.approx(1)
    assert 0 < half["max_difference"] < 0.1
    assert split["max_utility_difference"] == tf32["max_utility_difference"] == 0, "on a CPU"
    three, one = emulated
    assert three["max_utility_difference"] < 1e-6 < one["max_utility_difference"] < 0.1


def test_each_way_of_convolving_trains_the_same_models(tmp_path):
    record = record_of(convolutions, tmp_path, "--models", 2, "--batch-size", 2, "--repeats", 1)
    ways = [row["way"] for row in record["rows"]]
    assert ways == ["grouped", "patches", "squares", "mapped"]
    assert all(
        row["ms_a_model_step"] > 0 and row["gap"] <= convolutions.LARGEST_GAP
        for row in record["rows"]
    )


def test_the_products_of_a_step_are_timed_one_by_one_beside_the_step(tmp_path):
    sizes = ("--models", 2, "--batch-size", 4, "--inputs", 3, "--hidden", 5, "--classes", 2)
    times = ("--steps", 3, "--repeats", 1)
    record = record_of(products, tmp_path, *sizes, *times)
    assert [row["what"] for row in record["rows"]] == [*products.PRODUCTS, "whole step"]
    flops = {row["what"]: row["gflops"] * row["us"] * 1e3 for row in record["rows"]}
    assert flops["first layer"] == pytest.approx(2 * 2 * 4 * 3 * 5)
    assert flops["whole step"] == pytest.approx(sum(flops[name] for name in products.PRODUCTS))


@pytest.mark.parametrize("benchmark", [convolutions, precision, products])
def test_a_negative_number_of_repeats_is_refused(benchmark, capsys):
    assert benchmark.main(["--repeats", "-1"]) == 2
    assert "repeats=-1 to be an integer" in capsys.readouterr().err
