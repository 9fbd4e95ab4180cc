"""Members of a kernel SVM send support vectors: a published number, and absent classes."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.svm import SVC

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.support_vectors import support_vectors
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.options import Options

TEST_ROWS = 114


def cancer():
    """NVFlare's federation: the first rows are the test set, the others are cut in order."""
    x, y = load_breast_cancer(return_X_y=True)
    rows = np.array_split(np.arange(TEST_ROWS, len(y)), 3)
    test = (x[:TEST_ROWS], y[:TEST_ROWS])
    return from_arrays([(x[own], y[own]) for own in rows], test, num_classes=2)


def test_the_union_scores_as_nvflare_published():
    game = support_vectors(cancer(), outputs="labels", metric="roc_auc")
    [everyone] = evaluate(game, 0, np.ones((1, 3), bool))
    assert round(everyone, 4) == 0.8088


def test_a_member_alone_has_the_machine_of_its_support_vectors():
    data = cancer()
    utilities = evaluate(support_vectors(data), 0, all_subsets(3))
    x, y = data.client(1)
    own = SVC().fit(x.astype(float), y)
    again = SVC().fit(x[own.support_].astype(float), y[own.support_])
    test, labels = data.validation
    assert utilities[0] == 0.5
    assert utilities[2] == pytest.approx(again.score(np.asarray(test, float), labels), abs=1e-6)


def test_lacking_classes_and_idle_members_are_borne():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 2))
    y = np.arange(20) % 3
    members = [(x, y), (x[y == 2], y[y == 2]), (x, y), (x[y != 0], y[y != 0])]
    data = from_arrays(members, (x, y), num_classes=3, idle=[False, False, True, False])
    utilities = evaluate(support_vectors(data, gamma=1.0), 0, all_subsets(4))
    assert utilities[0] == utilities[4] == pytest.approx(1 / 3)
    assert utilities[2] == pytest.approx(np.mean(y == 2))
    # who sends nothing changes nothing
    assert np.array_equal(utilities[0b0001], utilities[0b0101])


def test_its_utilities_are_kept_by_a_name_that_follows_from_data_and_settings(tmp_path):
    data = cancer()
    game = support_vectors(data)
    other = support_vectors(data, penalty=2.0)
    assert fingerprint(game, 0) != fingerprint(other, 0)
    assert fingerprint(game, 0) == fingerprint(support_vectors(cancer()), 0)
    first = estimate(
        game, exact(), Options(stores=lambda part, name: UtilityStore(tmp_path, fingerprint=name))
    )
    again = estimate(
        game, exact(), Options(stores=lambda part, name: UtilityStore(tmp_path, fingerprint=name))
    )
    assert again.num_stored == 8
    assert np.array_equal(first.values, again.values)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"penalty": 0}, "Expected penalty=0 to be a finite number > 0"),
        ({"gamma": "wide"}, "Expected gamma='wide'"),
        ({"kernel": "cosine"}, "Expected kernel='cosine'"),
        ({"outputs": "chances"}, "Expected outputs='chances'"),
        ({"metric": "rmse"}, "Expected metric='rmse'"),
    ],
)
def test_what_it_cannot_do_is_refused(settings, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        support_vectors(cancer(), **settings)


def test_quantities_are_refused():
    x = np.arange(6.0).reshape(6, 1)
    data = from_arrays([(x, x[:, 0] / 7)], (x, x[:, 0] / 7), quantities=True)
    with pytest.raises(InvalidInputError, match="rows have classes, got quantities"):
        support_vectors(data)
