"""The game of transfer: what coalitions are worth, and that no plan or unread row changes it."""

import jax
import numpy as np
import pytest
from transfer_loops import descended

from fedjax_shap._validate import InputWarning, InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.transfer import transfer_data
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games import transfer as games
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.transfer import Objective

NET = linear(initializer="lecun")
SETTINGS = {
    "dimension": 3,
    "gamma": 0.2,
    "penalty": 0.1,
    "steps": 5,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "metric": "negative_loss",
    "tell_labels": True,
}
OBJECTIVE = Objective(gamma=0.2, penalty=0.1)


def federation(classes=2, **changed):
    rng = np.random.default_rng(1)
    sources = {
        "bank": (rng.normal(size=(9, 2)), np.arange(9) % classes, np.arange(9)),
        "shop": (rng.normal(size=(6, 4)), np.arange(6) % classes, np.arange(4, 10)),
    }
    given = {
        "sources": sources,
        "target": (rng.normal(size=(8, 3)), np.arange(3, 11)),
        "labels": ([3, 10, 5], [0, 1, 1]),
        "test": (rng.normal(size=(7, 3)), np.arange(7) % classes),
    }
    return transfer_data(**given | changed)


@pytest.fixture(scope="module")
def played():
    data = federation()
    game = games.transfer(data, NET, **SETTINGS)
    return data, game, evaluate(game, 0, all_subsets(2))


def by_hand(data, game, mask):
    """Minus the log loss of a coalition's model, trained and scored by loops in float64."""
    world = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), game.world)
    rows = {name: getattr(game.world, name) for name in ("of_source", "of_target", "labelled")}
    initial = world.initial.replace(
        parties=tuple(
            {"w": one["Dense_0"]["kernel"], "b": one["Dense_0"]["bias"]}
            for one in world.initial.parties
        )
    )
    world = world.replace(**jax.tree.map(np.asarray, rows), initial=initial)
    found = descended(world, OBJECTIVE, mask, 0.05, 5)
    u = [np.tanh(x @ p["w"] + p["b"]) for x, p in zip(world.x, found.parties)]
    members = np.flatnonzero(mask)
    x, y = data.validation
    target = np.tanh(x @ found.parties[-1]["w"] + found.parties[-1]["b"])
    phi = target @ found.head[0] + found.bias[0]
    if len(members):
        sums = sum(world.signs[s][:, 0] @ u[s] for s in members)
        phi = target @ (sums / sum(len(u[s]) for s in members))
    return -np.mean(np.log1p(np.exp(-np.where(y == 1, 1, -1) * phi)))


def test_coalitions_are_worth_what_loops_give(played):
    data, game, utilities = played
    assert game.permanent == "target"
    expected = [by_hand(data, game, mask) for mask in all_subsets(2)]
    np.testing.assert_allclose(utilities, expected, rtol=2e-6)
    assert len(set(np.round(expected, 6))) == 4


def test_labels_of_common_users_are_told_once(played):
    data, game, _ = played
    # users 4 to 8 are the bank's and the target's; of 5 the target has the label itself
    assert data.pairs[0].tolist() == [[row, row - 3] for row in range(3, 9)]
    assert game.world.told[0].tolist() == [0, 1, 0, 1, 1, 1]
    silent = games.transfer(data, NET, **{**SETTINGS, "tell_labels": False})
    assert not any(np.any(one) for one in silent.world.told)


def test_no_plan_and_no_unread_row_changes_a_utility(played, monkeypatch):
    data, game, utilities = played
    one_by_one = evaluate(game, 0, all_subsets(2), Plan(chunk=1))
    np.testing.assert_allclose(one_by_one, utilities, rtol=1e-6)
    monkeypatch.setattr(games, "BLOCK_BYTES", 1)
    blocks = games.transfer(data, NET, **SETTINGS)
    np.testing.assert_allclose(evaluate(blocks, 0, all_subsets(2)), utilities, rtol=1e-6)
    # of a row that the target neither has a label of nor shares with a source
    more = np.concatenate([data.x[-1], np.full((1, 3), 9.0, np.float32)])
    unread = data._replace(x=(*data.x[:-1], more), y=(*data.y[:-1], np.append(data.y[-1], -1)))
    world = games.transfer(unread, NET, **SETTINGS).world
    for ours, theirs in zip(jax.tree.leaves(world), jax.tree.leaves(game.world)):
        np.testing.assert_array_equal(ours, theirs)


def test_where_a_party_starts_goes_by_its_name_alone(played):
    data, game, _ = played

    def starts(own):
        initial = games.transfer(own, NET, **SETTINGS).world.initial
        return dict(zip((*own.names, own.target), initial.parties))

    turned = data._replace(
        names=data.names[::-1],
        x=(*data.x[1::-1], data.x[-1]),
        y=(*data.y[1::-1], data.y[-1]),
        pairs=data.pairs[::-1],
    )
    fewer = data._replace(names=data.names[1:], x=data.x[1:], y=data.y[1:], pairs=data.pairs[1:])
    before = dict(zip((*data.names, data.target), game.world.initial.parties))
    for after in (starts(turned), starts(fewer)):
        for name, params in after.items():
            for ours, theirs in zip(jax.tree.leaves(params), jax.tree.leaves(before[name])):
                np.testing.assert_array_equal(ours, theirs)
    # and parties of other names start elsewhere
    renamed = starts(data._replace(target="clinic"))["clinic"]
    kernel = before["target"]["Dense_0"]["kernel"]
    assert not np.array_equal(renamed["Dense_0"]["kernel"], kernel)


def test_more_than_two_classes_are_each_told_from_the_rest():
    data = federation(classes=3, labels=([3, 10, 5], [0, 1, 2]))
    game = games.transfer(data, NET, **{**SETTINGS, "metric": None})
    assert game.world.target_signs.tolist() == [[1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
    assert game.world.initial.head.shape == (3, 3)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": linear()}, "start elsewhere than at zero"),
        ({"model": [NET, NET]}, "one for each of 3 parties, got 2"),
        ({"dimension": 0}, "dimension=0"),
        ({"steps": 0}, "steps=0"),
        ({"tell_labels": "no"}, "tell_labels='no'"),
        ({"optimizer": "adams"}, "did you mean 'adam'"),
        ({"metric": "f2"}, "metric='f2'"),
        ({"alignment": "product", "activation": "none"}, "no lower bound"),
    ],
)
def test_what_cannot_be_learned_is_refused(changed, said):
    given = {"model": mlp(hidden=(2,)), **SETTINGS} | changed
    with pytest.raises(InvalidInputError, match=said):
        games.transfer(federation(), given.pop("model"), **given)


def test_a_target_without_labels_needs_those_of_its_sources():
    data = federation(labels=([], []))
    with pytest.raises(InvalidInputError, match="tell_labels=True"):
        games.transfer(data, NET, **{**SETTINGS, "tell_labels": False})
    assert games.transfer(data, NET, **SETTINGS).num_players == 2
    one_class = federation(labels=([3, 4], [1, 1]))
    with pytest.warns(InputWarning, match="of 1 of 2 classes"):
        games.transfer(one_class, NET, **SETTINGS)
