"""A federation whose members lack classes, the outputs of all its coalitions, and their unions."""

import numpy as np

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.statistics import merged

CLASSES = 3
FEATURES = 4
# the classes of each member's rows: one lacks a class, one has one row, one is of one class
LABELS = ([0, 1, 2] * 6, [0, 1] * 5, [2], [1] * 4)
MASKS = all_subsets(len(LABELS))


def rows(labels, seed):
    """Counts 0, 1, 2, ... that go by class, as features."""
    rng = np.random.default_rng(seed)
    rates = np.random.default_rng(7).uniform(0.5, 5, (CLASSES, FEATURES))
    y = np.array(labels, np.int32)
    return rng.poisson(rates[y]).astype(np.float32), y


def federation(*, quantities=False, idle=None, shift=0.0):
    """The members and a test set; quantities of two columns instead of classes if asked for."""
    sets = [rows(labels, seed) for seed, labels in enumerate((*LABELS, [0, 1, 2] * 5))]
    sets = [(x + np.float32(shift), y) for x, y in sets]
    if quantities:
        slopes = np.random.default_rng(3).normal(size=(FEATURES, 2))
        sets = [(x, (x @ slopes + 7 + y[:, None]).astype(np.float32)) for x, y in sets]
    *members, test = sets
    if quantities:
        return from_arrays(members, test, quantities=True, idle=idle)
    return from_arrays(members, test, num_classes=CLASSES, idle=idle)


def outputs(outputs, y):
    """What a model gives, as a metric of many numbers."""
    return outputs.ravel()


def outputs_of(data, model, **settings):
    """float64[M, T, outputs]: what the models of all coalitions give on the test set."""
    game = merged(data, model, metric=outputs, **settings)
    given = evaluate(game, 0, MASKS, Plan(chunk=8))
    return given.reshape(len(MASKS), len(data.test[1]), -1)


def union(data, mask):
    """The rows of a coalition's members, together, in float64."""
    own = [data.client(member) for member in np.flatnonzero(mask)]
    x, y = (np.concatenate(some) for some in zip(*own, strict=True))
    return x.astype(float), y
