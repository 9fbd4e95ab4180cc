"""The model of a coalition is the one that the rows of its members together give: scikit-learn's on
their union, for every coalition."""

import numpy as np
import pytest
from merged_models import CLASSES, MASKS, federation, outputs_of, union
from numpy.testing import assert_allclose
from scipy.special import log_softmax, softmax
from scipy.stats import multivariate_normal
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB

from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.statistics import merged
from fedjax_shap.learning.statistics import registry as statistics
from fedjax_shap.learning.statistics.classes import LEAST
from fedjax_shap.learning.statistics.gaussian import gaussian_bayes
from fedjax_shap.learning.statistics.kmeans import kmeans
from fedjax_shap.learning.statistics.newton import newton_logistic

CLASSIFIERS = {
    "gaussian_naive_bayes": ({}, GaussianNB()),
    "multinomial_naive_bayes": ({"smoothing": 0.5}, MultinomialNB(alpha=0.5)),
    "bernoulli_naive_bayes": ({"threshold": 1.0}, BernoulliNB(binarize=1.0)),
    "discriminant": ({}, LinearDiscriminantAnalysis(solver="lsqr")),
}


@pytest.mark.filterwarnings("ignore:Only one sample")
@pytest.mark.every_name
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_are_scikit_learns_on_every_union(name):
    settings, theirs = CLASSIFIERS[name]
    data = federation()
    given = outputs_of(data, statistics.STATISTICS[name](**settings))
    test = np.asarray(data.test[0], float)
    assert (given[0] == given[0, 0, 0]).all()  # of nobody all classes tie
    for mask, ours in zip(MASKS[1:], given[1:], strict=True):
        x, y = union(data, mask)
        there = np.unique(y)
        expected = np.zeros((len(test), CLASSES))
        if len(there) == 1:
            expected[:, there] = 1.0
        elif name == "discriminant" and len(y) < 10:
            continue  # covariances without an inverse: the next test
        else:
            expected[:, there] = theirs.fit(x, y).predict_proba(test)
        assert_allclose(np.exp(ours), expected, atol=1e-9)


def test_a_discriminant_leaves_out_directions_without_spread():
    data = federation()
    given = np.exp(outputs_of(data, statistics.discriminant()))
    # four rows of class 1 and one of class 2 span three of four directions
    few = MASKS.tolist().index([False, False, True, True])
    x, y = union(data, MASKS[few])
    own = x - np.stack([x[y == label].mean(axis=0) for label in y])
    _, singular, directions = np.linalg.svd(own / own.std(axis=0) / np.sqrt(len(y)))
    kept = directions[singular[:4] > 1e-4] / own.std(axis=0) / singular[singular > 1e-4][:, None]
    test = np.asarray(data.test[0], float)
    distance = [
        (((test - x[y == label].mean(axis=0)) @ kept.T) ** 2).sum(axis=1) for label in (1, 2)
    ]
    expected = np.log([0.8, 0.2]) - np.transpose(distance) / 2
    assert_allclose(given[few][:, 1:], softmax(expected, axis=1), atol=1e-9)
    assert_allclose(given[few][:, 0], 0.0, atol=1e-12)
    # one row a class has no covariance
    assert_allclose(
        given[MASKS.tolist().index([False, False, True, False])],
        [[0, 0, 1]] * len(test),
        atol=1e-12,
    )


def test_far_from_zero_variances_keep_their_digits():
    data = federation(shift=4096.0)
    given = outputs_of(data, statistics.gaussian_naive_bayes())
    test = np.asarray(data.test[0], float)
    x, y = union(data, MASKS[-1])
    expected = GaussianNB().fit(x, y).predict_log_proba(test)
    assert_allclose(given[-1], np.maximum(expected, LEAST), rtol=1e-8)


def test_normal_bayes_has_the_covariances_of_most_likelihood():
    data = federation()
    smoothing = 1e-3
    given = outputs_of(data, gaussian_bayes(smoothing=smoothing))
    test = np.asarray(data.test[0], float)
    for mask, ours in zip(MASKS[1:], given[1:], strict=True):
        x, y = union(data, mask)
        if len(y) == 1:
            continue
        added = smoothing * x.var(axis=0).max() * np.eye(x.shape[1])
        there = np.unique(y)
        logits = [
            np.log((y == label).mean())
            + multivariate_normal(
                x[y == label].mean(axis=0), np.cov(x[y == label].T, ddof=0) + added
            ).logpdf(test)
            for label in there
            if (y == label).sum() > 1
        ]
        if len(logits) == len(there):
            assert_allclose(
                ours[:, there],
                np.maximum(log_softmax(np.transpose(logits), axis=1), LEAST),
                atol=1e-6,
            )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (statistics.ridge(penalty=0.3), Ridge(alpha=0.3)),
        (statistics.least_squares(), LinearRegression()),
    ],
    ids=["ridge", "least_squares"],
)
def test_regressions_are_scikit_learns_on_every_union(ours, theirs):
    data = federation(quantities=True)
    given = outputs_of(data, ours)
    test = np.asarray(data.test[0], float)
    assert_allclose(given[0], np.tile(np.asarray(data.y, float).mean(0), (len(test), 1)), rtol=1e-6)
    for mask, predicted in zip(MASKS[1:], given[1:], strict=True):
        x, y = union(data, mask)
        assert_allclose(predicted, theirs.fit(x, y.astype(float)).predict(test), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_newton_steps_are_those_of_a_plain_loop(classes):
    data = federation()
    if classes == 2:
        x, y = union(data, MASKS[-1])
        data = data.replace(y=np.minimum(data.y, 1), num_classes=2, test=data.test)
        data = data.replace(validation=(data.test[0], np.minimum(data.test[1], 1)))
    given = outputs_of(data, newton_logistic(rounds=3, damping=0.5))
    test = _with_one(np.asarray(data.test[0], float))
    for mask, ours in zip(MASKS[1:], given[1:], strict=True):
        x, y = union(data, mask)
        expected = test @ _newton(_with_one(x), np.eye(classes)[y], 3, 0.5)
        assert_allclose(
            log_softmax(ours, axis=1), log_softmax(expected, axis=1), rtol=1e-8, atol=1e-8
        )


def test_centres_are_those_of_scikit_learn_from_the_same_start():
    data = federation()
    given = outputs_of(data, kmeans(clusters=3, rounds=4))
    test = np.asarray(data.test[0], float)
    start = _centres(test, given[0])
    utilities = evaluate(merged(data, kmeans(clusters=3, rounds=4)), 0, MASKS)
    for mask, distances, utility in zip(MASKS[1:], given[1:], utilities[1:], strict=True):
        x, _ = union(data, mask)
        assert_allclose(distances, _squared_distances(test, _lloyd(x, start, 4)), rtol=1e-9)
        assert_allclose(utility, -distances.min(axis=1).mean())
    # scikit-learn moves a centre without rows; of all members' rows there is none
    theirs = KMeans(3, init=start, n_init=1, max_iter=4, tol=0).fit(x)
    assert_allclose(np.sqrt(given[-1]), theirs.transform(test), rtol=1e-9)


def _with_one(x):
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def _newton(x, targets, rounds, damping):
    """Weights [F + 1, L] of a loop over steps and rows; of two classes the second has the logit."""
    classes = targets.shape[1]
    free = range(1, 2) if classes == 2 else range(classes)
    weights = np.zeros((classes, x.shape[1]))
    for _ in range(rounds):
        gradient = np.zeros((len(free), x.shape[1]))
        hessian = np.zeros((len(free), x.shape[1], len(free), x.shape[1]))
        for row, target in zip(x, targets, strict=True):
            logits = weights @ row
            p = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
            for i, k in enumerate(free):
                gradient[i] += (target[k] - p[k]) * row
                for j, m in enumerate(free):
                    hessian[i, :, j] += p[k] * ((k == m) - p[m]) * np.outer(row, row)
        size = gradient.size
        step = np.linalg.solve(
            hessian.reshape(size, size) + damping * np.eye(size), gradient.ravel()
        )
        weights[list(free)] += step.reshape(gradient.shape)
    return weights.T


def _squared_distances(x, centres):
    """float64[N, k]."""
    return ((x[:, None] - centres[None]) ** 2).sum(axis=2)


def _lloyd(x, centres, rounds):
    """The centres after some rounds; one without rows stays."""
    for _ in range(rounds):
        nearest = _squared_distances(x, centres).argmin(axis=1)
        there = [x[nearest == index] for index in range(len(centres))]
        centres = np.stack(
            [own.mean(axis=0) if len(own) else old for own, old in zip(there, centres, strict=True)]
        )
    return centres


def _centres(test, distances):
    """The rows of the test set that are at distance 0 from each centre."""
    return test[distances.argmin(axis=0)]
