"""The game of merged statistics: what it is worth, what a mean of models costs, what it refuses."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import examples
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.naive_bayes import GaussianNB

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.data.partition import by_column
from fedjax_shap.data.published import heart_disease
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import fingerprint
from fedjax_shap.games.statistics import followed, merged
from fedjax_shap.learning import tasks
from fedjax_shap.learning.measure import OF_CLASSES
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.statistics import registry as statistics
from fedjax_shap.learning.statistics.merging import fitting, last
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.estimate import estimate

MASKS = all_subsets(3)
BAYES = statistics.gaussian_naive_bayes()
TWO_PHONES = (
    ([[1.0], [2.0], [3.0], [10.0]], ["A", "A", "A", "B"]),
    ([[6.0], [12.0]], ["A", "B"]),
)


def federation(sizes=(7, 2, 9), **more):
    """Three members; the second lacks a class."""
    members = [examples(size, 10 + at) for at, size in enumerate(sizes)]
    return from_arrays(members, examples(12, 1000), num_classes=3, **more)


def all_metrics(outputs, y):
    """Every metric of classes, the larger the better."""
    return jnp.stack([measure(outputs, y) for measure in OF_CLASSES.values()])


def reversed_classes(data):
    """The federation with its classes numbered the other way round."""
    x, y = data.validation
    held_out = (x, 2 - y)
    return replace(data, y=2 - data.y, validation=held_out, test=held_out)


def test_no_utility_depends_on_how_classes_are_numbered():
    data = federation()
    worth = evaluate(merged(data, BAYES, metric=all_metrics), 0, MASKS)
    again = evaluate(merged(reversed_classes(data), BAYES, metric=all_metrics), 0, MASKS)
    assert np.isfinite(worth).all()
    assert_allclose(worth, again, atol=1e-12)
    nobody = dict(zip(OF_CLASSES, worth[0], strict=True))
    assert nobody["accuracy"] == pytest.approx(1 / 3)
    assert nobody["log_loss"] == pytest.approx(-np.log(3))
    assert nobody["roc_auc"] == 0.5


def test_log_losses_and_areas_are_scikit_learns_also_where_a_class_is_lacking():
    data = federation()
    worth = evaluate(merged(data, BAYES, metric="log_loss"), 0, MASKS)
    areas = evaluate(merged(data, BAYES, metric="roc_auc"), 0, MASKS)
    test, labels = data.validation
    for member, row in ((1, 2), (None, -1)):
        x, y = data.pooled().client(0) if member is None else data.client(member)
        theirs = GaussianNB().fit(x.astype(float), y)
        chances = np.zeros((len(labels), 3))
        chances[:, theirs.classes_] = theirs.predict_proba(np.asarray(test, float))
        assert len(theirs.classes_) == 2 + (member is None)
        assert worth[row] == pytest.approx(-log_loss(labels, chances), abs=1e-6)
    # where many chances are almost 0, their order is still told
    joint = theirs.predict_joint_log_proba(np.asarray(test, float))
    odds = joint - [
        [np.logaddexp.reduce(np.delete(row, label)) for label in range(3)] for row in joint
    ]
    each = [roc_auc_score(labels == label, odds[:, label]) for label in range(3)]
    assert areas[-1] == pytest.approx(np.mean(each), abs=1e-12)


def test_the_mean_of_two_phones_gives_one_sample_the_weight_of_three():
    data = from_arrays([TWO_PHONES[0], TWO_PHONES[1]], TWO_PHONES[0])
    task = tasks.classification()
    means = {}
    for merge in ("sums", "average"):
        fitted = fitting(data, BAYES, task, merge, (data.validation,))
        with jax.enable_x64(True):
            state = last(fitted.models(fitted.world, jnp.ones(2, bool)))
        # sums are about the mean of all features
        means[merge] = np.ravel(state.mean) + np.asarray(data.x, float).mean()
    assert_allclose(means["sums"], [(1 + 2 + 3 + 6) / 4, (10 + 12) / 2])
    assert_allclose(means["average"], [(2 + 6) / 2, (10 + 12) / 2])


def test_a_mean_of_models_leaves_out_members_without_the_class():
    data = federation()
    fitted = fitting(data, BAYES, tasks.classification(), "average", (data.validation,))
    alone = fitting(data, BAYES, tasks.classification(), "sums", (data.validation,))
    with jax.enable_x64(True):
        together = last(fitted.models(fitted.world, jnp.ones(3, bool)))
        own = [last(alone.models(alone.world, jnp.arange(3) == member)) for member in range(3)]
    has = np.stack([one.classes.there for one in own])
    assert has[1].min() == 0
    for part in ("mean", "spread"):
        each = np.stack([getattr(one, part) for one in own])
        expected = (each * has[:, :, None]).sum(0) / has.sum(0)[:, None]
        assert_allclose(getattr(together, part), expected)
    assert_allclose(together.classes.prior, np.mean([one.classes.prior for one in own], axis=0))


@pytest.mark.parametrize("merge", ["sums", "average"])
@pytest.mark.parametrize("name", ["gaussian_naive_bayes", "newton_logistic"])
def test_layouts_and_blocks_agree_and_idle_members_send_nothing(name, merge, monkeypatch):
    model = statistics.STATISTICS[name]()
    data = federation(idle=[False, False, True])
    game = merged(data, model, metric="log_loss", merge=merge)
    worth = evaluate(game, 0, MASKS, Plan(chunk=8))
    assert_allclose(worth, evaluate(game, 0, MASKS, Plan(chunk=4, layout="coalition")), rtol=1e-12)
    monkeypatch.setattr("fedjax_shap.games.statistics.BLOCK_BYTES", 1)
    blocks = merged(data, model, metric="log_loss", merge=merge)
    assert_allclose(worth, evaluate(blocks, 0, MASKS, Plan(chunk=8)), rtol=1e-12)
    if merge == "sums":
        assert_array_equal(worth[:4], worth[4:])


def test_newton_steps_on_the_hospitals_score_as_nvflare_published(data_folder):
    pool = heart_disease(folder=str(data_folder), normalise="per_client")
    data = federate(pool, by_column(column="center"), seed=0)
    game = merged(data, statistics.newton_logistic(rounds=4, damping=1.0), judges="members")
    _, *hospitals = evaluate(game, 0, np.ones((1, 4), bool))[0]
    assert_allclose(hospitals, [78 / 104, 67 / 89, 12 / 16, 27 / 45], rtol=1e-12)


def test_rounds_are_followed_one_by_one():
    data = federation()
    game = followed(data, statistics.newton_logistic(rounds=3), metric="log_loss")
    rounds = evaluate(game, 0, MASKS)
    assert rounds.shape == (8, 2, 3)
    for count in (1, 3):
        model = statistics.newton_logistic(rounds=count)
        worth = evaluate(merged(data, model, metric="log_loss"), 0, MASKS)
        assert_allclose(rounds[:, 1, count - 1], worth, rtol=1e-12)


def test_values_sum_to_the_surplus_and_the_store_knows_every_setting():
    data = federation()
    game = merged(data, BAYES, metric="log_loss")
    found = estimate(game, exact())
    assert found.values.sum() == pytest.approx(found.grand - found.empty, abs=1e-12)
    others = [
        merged(data, BAYES),
        merged(data, BAYES, metric="log_loss", merge="average"),
        merged(data, statistics.gaussian_naive_bayes(smoothing=0.1), metric="log_loss"),
        merged(federation((7, 2, 8)), BAYES, metric="log_loss"),
    ]
    key = jax.random.key(0)
    names = [fingerprint(one, key) for one in (game, *others)]
    assert len(set(names)) == len(names)
    assert fingerprint(merged(data, BAYES, metric="log_loss"), key) == names[0]
    # float64 is the game's own affair
    assert jnp.ones(2).dtype == jnp.float32


def test_a_binary_task_reads_the_logit_of_the_second_class():
    data = federation()
    x, y = data.validation
    two = replace(data, y=jnp.minimum(data.y, 1), validation=(x, jnp.minimum(y, 1)), num_classes=2)
    two = replace(two, test=two.validation)
    one = evaluate(merged(two, BAYES, metric="log_loss", task=tasks.binary()), 0, MASKS)
    assert_allclose(one, evaluate(merged(two, BAYES, metric="log_loss"), 0, MASKS), rtol=1e-9)


@pytest.mark.parametrize(
    ("model", "settings", "sentence"),
    [
        (linear(), {}, "Expected model=.* to be of type StatisticsModel"),
        (BAYES, {"task": tasks.hinge()}, "'hinge' to be 'classification' or 'binary'"),
        (BAYES, {"task": tasks.regression()}, "learns quantities"),
        (statistics.ridge(), {}, "'classification' to be 'regression' with model='ridge'"),
        (BAYES, {"merge": "mean"}, "Expected merge='mean'"),
        (BAYES, {"metric": "rmse"}, "Expected metric='rmse'"),
        (BAYES, {"resamples": 2, "judges": "classes"}, "Expected resamples=2 to be 0"),
        (statistics.multinomial_naive_bayes(), {}, "Expected features to be counts >= 0"),
        (statistics.kmeans(clusters=99), {}, "Expected clusters=99 to be at most"),
        (statistics.kmeans(), {"task": tasks.classification()}, "to be left out with"),
    ],
)
def test_what_does_not_fit_is_refused(model, settings, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        merged(federation(), model, **settings)


def test_naive_bayes_on_quantities_is_refused():
    x = np.linspace(0, 1, 8).reshape(8, 1)
    data = from_arrays([(x, x[:, 0])], (x, x[:, 0]), quantities=True)
    with pytest.raises(InvalidInputError, match="'regression' to be 'classification' or 'binary'"):
        merged(data, BAYES)


@pytest.mark.parametrize("name", sorted(statistics.STATISTICS))
def test_settings_out_of_range_are_refused(name):
    for keyword in ("smoothing", "penalty", "tolerance", "damping", "clusters", "rounds"):
        try:
            statistics.STATISTICS[name](**{keyword: 0})
        except InvalidInputError as error:
            assert f"Expected {keyword}=0" in str(error)
        except TypeError:
            continue
        else:
            pytest.fail(f"{keyword}=0 was taken")
