"""Two hundred players: there are more coalitions of a size than integers count, and estimators
still end."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from played import play

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import pack
from fedjax_shap.shapley.design import SamplingState
from fedjax_shap.shapley.estimators.registry import ESTIMATORS
from fedjax_shap.shapley.evaluations import no_evaluations
from fedjax_shap.shapley.quotas import SizeDistribution, next_quotas
from fedjax_shap.shapley.strata import propose_by_size

PLAYERS = {
    "least_core": 60,
    "gaussian_process": 150,
}  # fewer for those that take long; 200 for the others
REFUSED = ("exact",)  # all coalitions of so many players are more than there is time for


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name not in REFUSED])
def test_many_players_are_valued_within_the_budget(name):
    players = PLAYERS.get(name, 200)
    found, asked = play(
        ESTIMATORS[name](), lambda masks: np.sqrt(masks.sum(axis=1)), players, budget=1300
    )
    assert asked == found.num_coalitions <= 1300
    assert found.values.shape == (players,)
    assert np.isfinite(found.values).all() and np.isfinite(found.std_errors).all()
    assert_allclose((found.empty, found.grand), (0, np.sqrt(players)))
    if ESTIMATORS[name]().guarantees.efficient:
        assert_allclose(found.efficiency_gap, 0, atol=1e-9)


@pytest.mark.parametrize("players", [100, 200, 400, 1500])
def test_draws_of_many_players_follow_the_shares_of_the_sizes(players):
    share = np.linspace(2, 1, players - 1)
    wanted = next_quotas(
        SizeDistribution(lambda num_players: share),
        players,
        np.zeros(players - 1, np.int64),
        20_000,
    )
    assert wanted.sum() == 20_000
    free = np.arange(1, players) > 2  # of sizes 1 and 2, and none else, all might be drawn
    free &= np.arange(1, players) < players - 2
    level = wanted[free].sum() / share[free].sum()
    assert np.abs(wanted[free] - level * share[free]).max() <= 1 + 1e-6


def test_a_budget_below_what_every_size_gets_first_is_used_to_the_coalition():
    state = SamplingState(200, 300, None, np.zeros((0, 200), bool), no_evaluations(200))
    _, masks = propose_by_size(
        SizeDistribution(lambda num_players: np.ones(num_players - 1), least=2)
    )(np.random.default_rng(0), state, 300)
    assert len(set(pack(masks[:, 0]))) == 300
    drawn = np.bincount(masks[:, 0].sum(axis=1), minlength=201)[1:-1]
    assert (drawn.min(), drawn.max()) == (1, 2), "none gets two before each has one"


@pytest.mark.parametrize("name", ["banzhaf", "gaussian_process", "msr", "regression_msr", "svarm"])
def test_more_players_than_floats_can_count_coalitions_of_are_refused(name):
    with pytest.raises(
        InvalidInputError, match="num_players=1100 to be an integer >= 1 and <= 1000"
    ):
        ESTIMATORS[name]().init(1100, 5000, None)
