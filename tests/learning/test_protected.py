"""Protected training: clip, quantise, sum, noise, held to loops in float64 and to every plan."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from federations import CLASSES, FEATURES, clients_of, federation, initial, layers, metric_of
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import Coalition, all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.registry import ALGORITHMS, fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.participation import Sampled, independent, trace, uniform
from fedjax_shap.learning.private import private
from fedjax_shap.learning.protected import aggregation
from fedjax_shap.learning.protection import Protection, protection_of
from fedjax_shap.learning.train import begun, learner
from fedjax_shap.learning.training import Training
from fedjax_shap.privacy.accounting import Mechanism, Sampling
from fedjax_shap.privacy.fixed_point import decode, encode
from fedjax_shap.privacy.noise import gaussian, key_of_sum
from fedjax_shap.protocols.secure_sum import secure_sum

RATE = 0.3
ROUNDS = 3
EVERY = all_subsets(3)
WORDS = {"bits": 22, "clip": 8}


def training_of(privacy, participation=None, algorithm=None):
    return Training(
        linear(),
        local(learning_rate=RATE),
        algorithm or fedavg(max_rounds=ROUNDS),
        participation=participation,
        initial=initial(FEATURES, CLASSES),
        privacy=privacy,
    )


def table_of(training, key, layout="client", chunk=8):
    game = silo(federation(), training, metric="negative_loss")
    return evaluate(game, key, EVERY, Plan(layout=layout, chunk=chunk, buckets=1, workers=1))


def noise_of(key, number, mask, deviation):
    """The noise on one sum as [(kernel, bias)], the only thing that the loop takes from JAX."""
    drawn, _ = jax.random.split(key_of_sum(key, jnp.int32(number), jnp.asarray(mask)))
    (layer,) = gaussian(
        drawn, jax.tree.map(jnp.zeros_like, initial(FEATURES, CLASSES)), 1.0
    ).values()
    return [(deviation * np.asarray(layer["kernel"]), deviation * np.asarray(layer["bias"]))]


def by_hand(privacy, mask, present, chances, key):
    """V of one coalition, by a loop in float64."""
    data = federation()
    clients = clients_of(data)
    weights = np.array([len(y) for _, y in clients], np.float64)
    weights /= weights.max()
    params = layers(initial(FEATURES, CLASSES))
    clip = privacy.clip
    z, flag_noise = privacy.noise, 0.0
    if privacy.quantile is not None:
        flag_noise = privacy.clip_noise
        z = 1 / np.sqrt(1 / z**2 - 1 / (2 * flag_noise) ** 2)
    for number in range(ROUNDS):
        expected = (mask * chances[number] * weights).sum()
        if not expected:
            continue
        total = [np.zeros_like(leaf) for leaf in params[0]]
        flags = came = 0.0
        for i in np.flatnonzero(mask & present[number]):
            x, y = clients[i]
            trained, _ = oracle.local_sgd(params, x, y, 1, RATE)
            update = [new - old for new, old in zip(trained[0], params[0], strict=True)]
            length = np.sqrt(sum((leaf**2).sum() for leaf in update))
            total = [
                s + weights[i] * leaf * min(1, clip / length) for s, leaf in zip(total, update)
            ]
            flags += weights[i] * (0.5 if length <= clip else -0.5)
            came += weights[i]
        divisor, double = expected, 1.0
        if privacy.denominator == "present":
            divisor, double = max(expected, came), 2.0
        (noise,) = noise_of(key, number, mask, double * z * clip / expected)
        params = [tuple(p + s / divisor + n for p, s, n in zip(params[0], total, noise))]
        if privacy.quantile is not None:
            _, of_flags = jax.random.split(key_of_sum(key, jnp.int32(number), jnp.asarray(mask)))
            drawn = gaussian(of_flags, jnp.zeros(()), double * flag_noise / expected)
            within = 0.5 + flags / divisor + float(drawn)
            clip *= np.exp(-privacy.clip_learning_rate * (within - privacy.quantile))
    return metric_of(data)(params)


@pytest.mark.parametrize(
    "privacy",
    [
        pytest.param(private(clip=0.2, noise=0.3), marks=pytest.mark.slow),
        private(clip=0.2, noise=0.3, denominator="present"),
        private(clip=0.2, noise=0.3, quantile=0.7, clip_noise=0.4),
    ],
    ids=["fixed denominator", "those present", "adaptive"],
)
def test_every_layout_does_what_a_loop_does(privacy, key):
    sampled = independent(probability=0.6)
    training = training_of(privacy, sampled)
    protection = protection_of(federation(), training)
    present = np.asarray(learner(federation(), training).world.present)
    assert 0 < present.sum() < present.size
    wanted = [by_hand(privacy, mask, present, protection.chances, key) for mask in EVERY]
    assert_allclose(table_of(training, key, "client", 3), wanted, atol=2e-5)
    assert_allclose(table_of(training, key, "coalition", 8), wanted, atol=2e-5)


def test_clipping_by_nothing_is_federated_averaging(key):
    plain = table_of(training_of(None), key)
    for privacy in (private(clip=1e6), private(clip=1e6, by_layer=True)):
        assert_allclose(table_of(training_of(privacy), key), plain, rtol=1e-6)
    words = private(secure_sum=WORDS)
    quantised = table_of(training_of(words), key)
    assert np.abs(quantised - plain).max() < 1e-4
    assert np.abs(quantised - plain).max() > 0


def test_noise_comes_also_in_rounds_for_which_nobody_was_drawn(key):
    nobody = Sampled(trace(available=((0, 0, 0),) * ROUNDS), "poisson", 0.5)
    utilities = table_of(training_of(private(clip=0.1, noise=1.0), nobody), key)
    assert len(set(utilities.tolist())) == len(EVERY)


def test_a_member_that_diverges_moves_the_sum_by_nothing(key):
    def diverging(at, done):
        bad = jnp.where(at.draws.client == 1, jnp.nan, 0.0)
        return jax.tree.map(lambda leaf: leaf + bad, done.params), (), at.state

    algorithm = fedavg(max_rounds=2)._replace(upload=diverging)
    for privacy in (private(clip=0.5), private(secure_sum=WORDS)):
        found = table_of(training_of(privacy, algorithm=algorithm), key)
        assert np.isfinite(found).all()
        assert found[2] == found[0]


def test_a_secure_sum_is_the_sum_of_the_members_own_words_bit_for_bit():
    rng = np.random.default_rng(0)
    sent = {"w": rng.normal(size=(3, 5)).astype(np.float32)}
    flags = np.array([0.5, -0.5, 0.5], np.float32)
    weights = np.array([1.0, 0.25, 0.0], np.float32)
    privacy = private(secure_sum=WORDS)
    protection = Protection(privacy, Mechanism(0.0, 1, Sampling("known")), np.ones((1, 3)))
    rule = aggregation(protection)
    words = encode(sent["w"] * weights[:, None], **WORDS)
    (together, _) = rule.at_once((sent, jnp.asarray(flags)), jnp.asarray(weights))
    assert_array_equal(together["w"], words[:2].sum(axis=0))
    # and that of masked messages
    pytest.importorskip("cryptography")
    masked = secure_sum(sent["w"] * weights[:, None], **WORDS)
    assert_array_equal(together["w"], masked.words.view(np.int32))
    sums = ({"w": jnp.zeros((2, 5), jnp.int32)}, jnp.zeros(2, jnp.int32))
    for i in (2, 0, 1):
        mine = jax.tree.map(lambda leaf, i=i: jnp.stack([leaf[i]] * 2), (sent, jnp.asarray(flags)))
        sums = rule.one_more(sums, mine, jnp.array([1, 0]), jnp.array([weights[i], 0.0]))
    assert_array_equal(sums[0]["w"][1], together["w"])
    assert_array_equal(sums[0]["w"][0], 0)
    assert decode(np.asarray(sums[1][1:]), 22, 1.0)[0] == 0.375


def test_in_run_values_come_of_the_noisy_sums_of_subsets(key):
    training = training_of(private(clip=0.2, noise=0.5), uniform(participants=2))
    run = rounds(federation(), training, metric="negative_loss")
    assert not run.uploads
    models = [training.initial]
    for game, participants, _ in run.play(key, after=models.append):
        present = np.isin(np.arange(3), participants)
        masks = np.stack([np.zeros(3, bool), present, np.ones(3, bool)])
        nobody, everyone, all_ = evaluate(game.game if hasattr(game, "game") else game, key, masks)
        assert everyone == all_ != nobody
        # nobody's sum is not formed: the model stays as it was
        before = metric_of(federation())(layers(models[-2]))
        assert_allclose(nobody, before, atol=1e-5)
        worth = metric_of(federation())(layers(models[-1]))
        assert_allclose(everyone, worth, atol=1e-5)


def test_more_players_have_other_noise_than_fewer_and_each_round_its_own(key):
    training = training_of(private(clip=0.2, noise=1.0))
    learning = learner(federation(), training)
    world = learning.world

    def moved(mask, number):
        mask = jnp.asarray(mask)
        who = Coalition(mask, jnp.arange(3), mask)
        run = begun(world, who)
        sent = learning.collect(world, key, jnp.int32(number), run, who)
        return learning.advance(run, sent, jnp.float32(1)).params["Dense_0"]["bias"]

    seen = [moved([True, True, False], t) for t in (0, 1)] + [moved([True, False, True], 0)]
    assert len({np.asarray(bias).tobytes() for bias in seen}) == 3


@pytest.mark.parametrize(
    "name", [pytest.param("fedprox", marks=pytest.mark.slow), "fedsgd", "fedadam"]
)
def test_algorithms_that_send_one_update_can_be_protected(name, key):
    algorithm = ALGORITHMS[name](max_rounds=2)
    loose = table_of(training_of(private(clip=1e6), algorithm=algorithm), key)
    assert_allclose(loose, table_of(training_of(None, algorithm=algorithm), key), rtol=1e-5)
    tight = table_of(training_of(private(clip=0.05), algorithm=algorithm), key)
    assert np.abs(tight - loose)[1:].min() > 1e-4


@pytest.mark.parametrize("name", ["scaffold", "fednova", "fedagrac", "calibrated"])
def test_algorithms_that_send_more_are_refused(name):
    with pytest.raises(InvalidInputError, match="sends one update a round with privacy"):
        learner(federation(), training_of(private(clip=1.0), algorithm=ALGORITHMS[name]()))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"clip": 0}, r"Expected clip=0 to be a finite number > 0\."),
        ({"noise": 1.0}, "Expected clip to be given with noise"),
        ({}, "Expected clip or secure_sum to be given"),
        ({"clip": 1.0, "noise": 1.0, "epsilon": 2.0}, "to be left out with epsilon"),
        ({"clip": 1.0, "accountant": "moments"}, "Expected accountant='moments' to be a known"),
        ({"clip": 1.0, "delta": 1.0}, "Expected delta=1.0 to be < 1"),
        ({"clip": 1.0, "epsilon": -1.0}, "Expected epsilon=-1.0 to be a finite number > 0"),
        ({"clip": 9.0, "secure_sum": WORDS}, r"secure_sum.clip=8 to be >= clip=9\.0"),
        ({"secure_sum": {"bits": 22}}, "to have bits and clip"),
        ({"secure_sum": {"bits": 40, "clip": 8}}, r"secure_sum\.bits=40"),
        ({"secure_sum": {"bit": 22, "clip": 8}}, "did you mean 'bits'"),
        ({"clip": 1.0, "quantile": 1.0}, "strictly between 0 and 1"),
        ({"clip": 1.0, "charge_values": True}, "without noise there is nothing to charge"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(given, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        private(**given)


@pytest.mark.parametrize(
    ("privacy", "participation", "algorithm", "sentence"),
    [
        (private(clip=1.0, noise=1.0), None, fedavg(tol=0.1), "tol=0.1 to be left out with noise"),
        (private(clip=1.0, epsilon=1e-4), None, None, r"epsilon=0\.0001 to be larger"),
        (private(secure_sum={"bits": 31, "clip": 8}), None, None, r"secure_sum\.bits=31 to be <="),
        (
            private(clip=1.0, noise=1.0, accountant="pld"),
            uniform(participants=2),
            None,
            "accountant='pld' to be 'rdp'",
        ),
        (
            private(clip=1.0, noise=1.0, denominator="present"),
            uniform(participants=2),
            None,
            "denominator='present' to be 'fixed'",
        ),
        (
            private(clip=1.0, noise=1.0, quantile=0.5, clip_noise=0.5),
            None,
            None,
            r"clip_noise=0\.5 to be > 0\.5",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_before_training(
    privacy, participation, algorithm, sentence
):
    with pytest.raises(InvalidInputError, match=sentence):
        learner(federation(), training_of(privacy, participation, algorithm))


def test_secure_sums_hide_what_games_inside_one_run_need():
    with pytest.raises(InvalidInputError, match="reveal_subset_sums=True to be given"):
        rounds(federation(), training_of(private(secure_sum=WORDS)))
    rounds(federation(), training_of(private(secure_sum=WORDS, reveal_subset_sums=True)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"inner_rounds": 2}, "inner_rounds=2 to be 1 with privacy"),
        ({"absent": "unchanged"}, "absent='unchanged' to be left out with privacy"),
        ({"everyone_first": True}, "everyone_first=True to be left out with privacy"),
    ],
)
def test_runs_whose_privacy_would_be_another_are_refused(changes, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        rounds(federation(), training_of(private(clip=1.0)), **changes)


def test_a_run_that_would_skip_a_round_without_noise_is_refused():
    nobody = Sampled(trace(available=((1, 1, 1), (0, 0, 0), (1, 0, 1))), "poisson", 0.5)
    with pytest.raises(InvalidInputError, match="somebody to take part in every round"):
        rounds(federation(), training_of(private(clip=1.0, noise=1.0), nobody))


def test_a_target_epsilon_decides_the_noise():
    sampled = independent(probability=0.2)
    found = protection_of(federation(), training_of(private(clip=1.0, epsilon=3.0), sampled))
    given = private(clip=1.0, noise=found.mechanism.noise)
    assert protection_of(federation(), training_of(given, sampled)).mechanism == found.mechanism
    assert found.mechanism.sampling == Sampling("poisson", 0.2, 1, 3)
    # who takes part is known: the member who does so most often counts
    known = training_of(given, trace(available=((1, 0, 1), (1, 1, 1), (1, 0, 0))))
    assert protection_of(federation(), known).mechanism[1:] == (3, Sampling("known", members=3))
