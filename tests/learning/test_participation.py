"""Participation: how many take part, how often, and when."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.learning.participation import (
    PARTICIPATIONS,
    always,
    cyclic,
    dropping,
    independent,
    trace,
    trace_file,
    uniform,
)

ROUNDS, CLIENTS = 200, 5
ARGUMENTS = {
    "always": {},
    "uniform": {"participants": 3},
    "independent": {"probability": 0.5},
    "cyclic": {"participants": 3},
    "trace": {"available": ((0, 1, 0, 1, 1),) * ROUNDS},
    "trace_file": {"path": "trace.csv"},
}


@pytest.fixture(autouse=True)
def trace_csv(tmp_path, monkeypatch):
    """A folder to work in, with the file that ARGUMENTS names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trace.csv").write_text("0,1,0,1,1\n" * ROUNDS)


@pytest.mark.parametrize("name", PARTICIPATIONS)
def test_a_key_decides_who_takes_part(name, key):
    draw = PARTICIPATIONS[name](**ARGUMENTS[name])
    present = draw(key, ROUNDS, CLIENTS)
    assert present.shape == (ROUNDS, CLIENTS)
    assert present.dtype == bool
    assert_array_equal(present, draw(key, ROUNDS, CLIENTS))
    other = draw(jax.random.key(1), ROUNDS, CLIENTS)
    assert np.array_equal(present, other) == (name in ("always", "cyclic", "trace", "trace_file"))


@pytest.mark.parametrize("name", PARTICIPATIONS)
def test_further_rounds_change_none_before(name, key):
    if name not in ("trace", "trace_file"):
        draw = PARTICIPATIONS[name](**ARGUMENTS[name])
        assert_array_equal(draw(key, 9, CLIENTS)[:4], draw(key, 4, CLIENTS))


def test_always_is_everybody(key):
    assert always()(key, 3, 4).all()


def test_uniform_draws_as_many_as_asked_and_each_client_equally_often(key):
    present = uniform(participants=2)(key, ROUNDS, CLIENTS)
    assert_array_equal(present.sum(axis=1), 2)
    spread = np.sqrt(ROUNDS * 0.4 * 0.6)
    assert np.abs(present.sum(axis=0) - ROUNDS * 0.4).max() < 5 * spread


def test_independent_clients_take_part_with_their_own_probabilities(key):
    chances = np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    shares = independent(probability=tuple(chances))(key, ROUNDS, CLIENTS).mean(axis=0)
    assert_array_equal(shares[[0, 4]], [0, 1])
    assert (np.abs(shares - chances) <= 5 * np.sqrt(chances * (1 - chances) / ROUNDS)).all()


def test_cyclic_clients_take_turns(key):
    rows = [np.flatnonzero(row).tolist() for row in cyclic(participants=3)(key, 4, CLIENTS)]
    assert rows == [[0, 1, 2], [0, 3, 4], [1, 2, 3], [0, 1, 4]]


def test_a_trace_starts_again_where_it_is_told_to(key):
    rows = ((0, 1), (1, 1), (1, 0))
    assert trace(available=rows, repeat=True)(key, 7, 2).tolist() == [
        list(map(bool, rows[r % 3])) for r in range(7)
    ]
    assert trace(available=rows, repeat=True)(key, 2, 2).tolist() == [[False, True], [True, True]]
    drawn = trace(available=rows, repeat=True)(key, 3, 2)
    drawn[:] = True
    assert not trace(available=rows)(key, 3, 2).all()


def test_a_trace_is_read_from_a_file_with_or_without_a_header(tmp_path, key):
    for header in ("", "ward a,ward b\n"):
        (tmp_path / "file.csv").write_text(header + "0,1\n1, 1\n\n1,0\n")
        assert trace_file(path="file.csv")(key, 3, 2).astype(int).tolist() == [
            [0, 1],
            [1, 1],
            [1, 0],
        ]
    assert trace_file(path="file.csv", repeat=True)(key, 4, 2)[3].tolist() == [False, True]


@pytest.mark.parametrize("name", PARTICIPATIONS)
def test_drop_outs_leave_who_starts_as_it_was(name, key):
    starts = PARTICIPATIONS[name](**ARGUMENTS[name])
    share = dropping(starts, 0.4)(key, ROUNDS, CLIENTS)
    assert share.dtype == np.float64
    assert_array_equal(share > 0, starts(key, ROUNDS, CLIENTS))
    assert ((share >= 0) & (share <= 1)).all() and ((share > 0) & (share < 1)).any()
    assert_array_equal(dropping(starts, 0.0)(key, ROUNDS, CLIENTS), starts(key, ROUNDS, CLIENTS))


def test_drop_outs_are_as_many_as_asked_and_at_any_moment(key):
    share = dropping(always(), (0.0, 0.3, 1.0))(key, 2000, 3)
    dropped = share < 1
    assert_array_equal(dropped.mean(axis=0)[[0, 2]], [0, 1])
    assert abs(dropped[:, 1].mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / 2000)
    done = share[:, 2]
    assert (
        abs(done.mean() - 0.5) < 5 * np.sqrt(1 / 12 / 2000)
        and 0 < done.min() < 0.01
        and 0.99 < done.max() < 1
    )


def test_another_round_or_client_changes_nobody_elses_drop_outs(key):
    draw = dropping(always(), 0.5)
    share = draw(key, 20, CLIENTS)
    assert_array_equal(draw(key, 25, CLIENTS)[:20], share)
    assert_array_equal(draw(key, 20, CLIENTS + 2)[:, :CLIENTS], share)
    assert not np.array_equal(share[:10], share[10:])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1,0\n1,2\n", "line 2 of trace.csv to hold 0s and 1s, but client 1 has '2'"),
        ("2,0\n1,1\n", "line 1 of trace.csv to hold 0s and 1s, but client 0 has '2'"),
        ("1,0\n1,\n", "line 2 of trace.csv to hold 0s and 1s, but client 1 has ''"),
        ("1,0\n1\n", "line 2 of trace.csv to have 2 cells, but it has 1"),
        ("a,b\n", "trace.csv to hold a row of 0s and 1s for each round, but there is none"),
        ("", "to hold at least one line, but it is empty"),
    ],
)
def test_a_bad_trace_file_is_refused_in_one_sentence(text, sentence, tmp_path):
    (tmp_path / "trace.csv").write_text(text)
    with pytest.raises(InvalidInputError, match=sentence):
        trace_file(path="trace.csv")


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda key: uniform(participants=0), "participants=0 to be an integer >= 1"),
        (
            lambda key: uniform(participants=6)(key, 2, 5),
            "participants=6 to be an integer >= 1 and <= 5",
        ),
        (
            lambda key: cyclic(participants=6)(key, 2, 5),
            "participants=6 to be an integer >= 1 and <= 5",
        ),
        (lambda key: independent(probability=1.5), r"probability=1.5 to lie in \[0, 1\]"),
        (
            lambda key: independent(probability=(0.5, 0.5))(key, 2, 5),
            "one number or one for each of 5 clients",
        ),
        (lambda key: trace(available=((0, 2),)), r"rows of 0s and 1s of one length"),
        (lambda key: trace(available=((0, 1), (1,))), r"rows of 0s and 1s of one length"),
        (
            lambda key: trace(available=((0, 1),))(key, 2, 2),
            r"\[2 rounds, 2 clients\], got shape \(1, 2\)",
        ),
        (
            lambda key: trace(available=((0, 1),), repeat=True)(key, 2, 3),
            r"\[1 rounds, 3 clients\], got shape \(1, 2\)",
        ),
        (lambda key: trace_file(path="absent.csv"), "path='absent.csv' to be a file"),
        (
            lambda key: trace_file(path="trace.csv")(key, 3, 5),
            r"trace.csv to be \[3 rounds, 5 clients\]",
        ),
        (lambda key: dropping(always(), 1.5), r"drop_out=1.5 to lie in \[0, 1\]"),
        (
            lambda key: dropping(always(), (0.5, 0.5))(key, 2, 5),
            "one number or one for each of 5 clients",
        ),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(refused, sentence, key):
    with pytest.raises(InvalidInputError, match=sentence):
        refused(key)
