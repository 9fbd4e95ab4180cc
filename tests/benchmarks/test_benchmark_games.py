"""The games that are measured: the work in them, and the coalitions that are valued."""

import argparse

import jax
import numpy as np
import pytest

from benchmarks import (
    games,
)
from benchmarks.games import Case, stratified, useful_flops
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack
from fedjax_shap.engine.plan import Plan
from fedjax_shap.learning.model import cnn


def test_the_work_of_a_case_is_that_of_its_layers_batch_by_batch():
    case = Case(n=3, hidden=5, rounds=2, steps=16)
    data = case.data()
    masks = all_subsets(3)
    sizes = np.asarray(data.sizes).tolist()
    layers = (64 * 5, 5 * 10)
    flops = 0
    for mask in masks:
        flops += len(data.validation[1]) * 2 * sum(layers)
        for size in (size for size, present in zip(sizes, mask) if present):
            left = 0
            for _ in range(case.rounds):
                for step in range(case.steps):
                    if step % -(-size // 32) == 0:
                        left = size
                    flops += min(left, 32) * (4 * sum(layers) + 2 * layers[1])
                    left -= 32
    assert useful_flops(case, data, masks) == flops


def test_lenet5_has_its_known_multiplications():
    params = jax.eval_shape(cnn()((28, 28, 1), 10).init, jax.random.key(0))
    assert games._macs(params, 28) == [28**2 * 150, 10**2 * 150 * 16, 400 * 120, 120 * 84, 84 * 10]


def test_a_case_is_cut_by_rounds_then_steps_then_coalitions():
    case = Case(n=6, rounds=5, steps=10)
    assert case.within(10.0, 20.0) == case
    assert case.within(10.0, 4.0) == Case(n=6, rounds=2, steps=10)
    assert case.within(100.0, 8.0) == Case(n=6, rounds=1, steps=4)
    assert case.within(1000.0, 10.0) == Case(n=6, rounds=1, steps=1, coalitions=32)
    assert case.within(1e6, 1.0) == Case(n=6, rounds=1, steps=1, coalitions=8)


def test_a_sample_of_coalitions_has_every_complement_and_the_sizes_of_all():
    masks = stratified(8, 64)
    names = pack(masks)
    assert len(set(names)) == 64 and set(names) == set(pack(~masks))
    np.testing.assert_array_equal(masks.sum(axis=0), 32)
    sizes = np.bincount(masks.sum(axis=1), minlength=9)
    expected = np.bincount(all_subsets(8).sum(axis=1)) / 4
    assert np.abs(sizes - expected).max() <= 2
    np.testing.assert_array_equal(stratified(3, 8), all_subsets(3))
    for count in (5, 0, 18):
        with pytest.raises(InvalidInputError, match=f"count={count}"):
            stratified(4, count)


def test_a_plan_is_left_to_the_package_unless_it_is_asked_for():
    parser = argparse.ArgumentParser()
    games.add_plan(parser.add_argument)
    assert games.plan_of(parser.parse_args([])) == Plan()
    asked = games.plan_of(
        parser.parse_args(["--chunk", "4", "--layout", "coalition", "--buckets", "2"])
    )
    assert asked == Plan(chunk=4, layout="coalition", buckets=2)
