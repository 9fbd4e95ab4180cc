"""The utility store: a coalition is trained once and kept, and no game reads another's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import CLASSES, FEATURES, federation, initial
from numpy.testing import assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine import store as store_module
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.merging import merge
from fedjax_shap.engine.parts import BrokenPartError, read_part, write_part
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.closed_form import additive, airport
from fedjax_shap.games.game import Game
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.participation import cyclic
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.options import Options

EVERY = all_subsets(4)
WORTH = np.arange(16) ** 2 / 7


def game_of(worth=WORTH, untouchable=()):
    """A game given by its table that is valued in Python, and fails where it values an untouchable
    coalition."""

    def look_up(mask):
        row = int((mask << np.arange(4)).sum())
        assert row not in untouchable, f"coalition {row} is trained again"
        return np.float32(worth[row])

    def value(world, key, coalition):
        return jax.pure_callback(
            look_up, jax.ShapeDtypeStruct((), jnp.float32), coalition.mask, vmap_method="sequential"
        )

    return Game(world=(), value=value, num_players=4)


def fill(store, rows):
    """Adds the coalitions of these rows and writes them to disk."""
    store.add(EVERY[rows], WORTH[rows].astype(np.float32))
    store.flush()


def counters(store):
    return store.asked, store.from_store, store.trained


@pytest.fixture(params=["in memory", "on disk"])
def store(request, tmp_path):
    return (
        UtilityStore()
        if request.param == "in memory"
        else UtilityStore(tmp_path / "deep" / "store", fingerprint="a")
    )


def test_what_was_added_is_known_and_read(store):
    masks = EVERY[[3, 9, 4]]
    worths = np.array([0.1, -2.0, 1e-300])
    assert not store.known(masks).any()
    store.add(masks, worths)
    assert_array_equal(store.known(EVERY), np.isin(np.arange(16), [3, 9, 4]))
    assert_array_equal(store.read(masks[::-1]), worths[::-1])
    assert len(store) == 3
    assert counters(store) == (3 + 16, 3, 3)


def test_a_store_of_many_parts_grows_and_keeps_trailing_axes(tmp_path):
    masks = all_subsets(9)
    worths = np.random.default_rng(0).normal(size=(512, 2, 3))
    store = UtilityStore(tmp_path, fingerprint="a")
    for start in range(0, 512, 37):
        store.add(masks[start : start + 37], worths[start : start + 37])
        store.flush()
    assert_array_equal(store.read(masks), worths)
    assert_array_equal(UtilityStore(tmp_path, fingerprint="a").read(masks), worths)


def test_what_is_on_disk_is_bit_for_bit_what_was_added(tmp_path, key):
    first = UtilityStore(tmp_path, fingerprint="a")
    utilities = evaluate(game_of(), key, EVERY, Plan(chunk=3), first)
    again = UtilityStore(tmp_path, fingerprint="a")
    assert_array_equal(
        evaluate(game_of(untouchable=range(16)), key, EVERY, Plan(chunk=5), again), utilities
    )
    assert counters(first) == (16, 0, 16)
    assert counters(again) == (16, 16, 0)


def test_another_estimator_trains_only_what_is_not_known_yet(key):
    store = UtilityStore()
    estimate(game_of(), permutation(orders="random"), Options(budget=12, stores=store), key=key)
    known = np.flatnonzero(store.known(EVERY))
    assert 8 <= store.trained == len(known) <= 12
    values = estimate(game_of(untouchable=known), exact(), Options(stores=store), key=key).values
    assert store.trained == 16
    assert_array_equal(values, estimate(game_of(), exact(), key=key).values)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_keeps_what_was_trained(stop, tmp_path, key):
    def impatient(done, total):
        if done >= 6:
            raise stop

    with pytest.raises(stop):
        evaluate(
            game_of(), key, EVERY, Plan(chunk=3), UtilityStore(tmp_path, fingerprint="a"), impatient
        )
    resumed = UtilityStore(tmp_path, fingerprint="a")
    known = np.flatnonzero(resumed.known(EVERY))
    assert len(known) == 6
    assert_array_equal(resumed.read(EVERY[known]), WORTH[known].astype(np.float32))
    utilities = evaluate(game_of(untouchable=known), key, EVERY, store=resumed)
    assert_array_equal(utilities, WORTH.astype(np.float32))
    assert resumed.trained == 10


def test_a_game_that_fails_keeps_what_was_trained(tmp_path, key):
    late = int(np.argmax([rows.tolist() for rows, _ in Plan(chunk=1).by_client(EVERY)]))
    store = UtilityStore(tmp_path, fingerprint="a")
    with pytest.raises(Exception, match=f"coalition {late} is trained again"):
        evaluate(game_of(untouchable=[late]), key, EVERY, Plan(chunk=1), store)
    assert len(UtilityStore(tmp_path, fingerprint="a")) == store.trained > 0


def test_utilities_reach_the_disk_during_a_long_run(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "SECONDS_BETWEEN_FLUSHES", 0.0)
    store = UtilityStore(tmp_path, fingerprint="a")
    store.add(EVERY[:3], WORTH[:3])
    assert len(UtilityStore(tmp_path, fingerprint="a")) == 3


def test_a_half_written_part_is_no_part(tmp_path):
    fill(UtilityStore(tmp_path, fingerprint="a"), [0, 1, 2])
    (part,) = tmp_path.glob("part-*.npz")
    (tmp_path / f".{part.name}.tmp").write_bytes(part.read_bytes()[:50])
    assert len(UtilityStore(tmp_path, fingerprint="a")) == 3
    assert not list(tmp_path.glob("*.broken"))


def test_nothing_is_left_half_written(tmp_path, key):
    evaluate(game_of(), key, EVERY, Plan(chunk=3), UtilityStore(tmp_path, fingerprint="a"))
    assert {name.suffix for name in tmp_path.iterdir()} == {".json", ".npz"}


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"PK" + b[9:], lambda b: b[:-9]]
)
def test_a_broken_part_is_set_aside_with_a_warning_and_trained_again(damage, tmp_path, key):
    for rows in ([1, 2, 3], [8, 9]):
        fill(UtilityStore(tmp_path, fingerprint="a"), rows)
    broken, whole = sorted(tmp_path.glob("part-*.npz"))
    broken.write_bytes(damage(broken.read_bytes()))
    with pytest.warns(UserWarning, match=f"{broken.name} of the store is broken .* set aside"):
        store = UtilityStore(tmp_path, fingerprint="a")
    assert np.flatnonzero(store.known(EVERY)).tolist() == [8, 9]
    assert {part.name for part in tmp_path.glob("part-*")} == {
        whole.name,
        broken.with_suffix(".broken").name,
    }
    assert_array_equal(
        evaluate(game_of(untouchable=(8, 9)), key, EVERY, store=store), WORTH.astype(np.float32)
    )
    assert len(UtilityStore(tmp_path, fingerprint="a")) == 16


def test_another_games_store_is_refused_in_one_sentence(tmp_path, key):
    names = [
        fingerprint(solved.game, key) for solved in (additive([1.0, 2.0]), additive([1.0, 2.5]))
    ]
    late = UtilityStore(tmp_path, fingerprint=names[1])
    fill(UtilityStore(tmp_path, fingerprint=names[0]), [3])
    assert len(UtilityStore(tmp_path, fingerprint=names[0])) == 1
    sentence = (
        r"to belong to this configuration, but it holds the utilities of another \(fingerprint"
    )
    with pytest.raises(InvalidInputError, match=sentence) as refusal:
        UtilityStore(tmp_path, fingerprint=names[1])
    assert names[0][:8] in str(refusal.value) and names[1][:8] in str(refusal.value)
    with pytest.raises(InvalidInputError, match=sentence):
        fill(late, [4])
    assert len(UtilityStore(tmp_path, fingerprint=names[0])) == 1


def test_parts_without_a_label_are_refused(tmp_path):
    fill(UtilityStore(tmp_path, fingerprint="a"), [3])
    (tmp_path / "store.json").unlink()
    with pytest.raises(
        InvalidInputError, match=r"to say whose utilities it holds, but it has no store\.json"
    ):
        UtilityStore(tmp_path, fingerprint="a")


@pytest.mark.parametrize("content", ["{", "[]", "{}", "3"])
def test_a_folder_with_a_damaged_label_is_refused_in_one_sentence(content, tmp_path):
    (tmp_path / "store.json").write_text(content)
    with pytest.raises(InvalidInputError, match="to be the readable label of a store"):
        UtilityStore(tmp_path, fingerprint="a")


def test_a_file_in_place_of_the_folder_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(InvalidInputError, match=r"to be a folder, but .*file' is a file"):
            UtilityStore(folder, fingerprint="a")


def test_no_corrupted_byte_of_a_part_is_read(tmp_path):
    fill(UtilityStore(tmp_path, fingerprint="a"), [1, 2, 3])
    (part,) = tmp_path.glob("part-*.npz")
    whole = part.read_bytes()
    broken = 0
    for place in range(len(whole)):
        part.write_bytes(
            whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]
        )
        try:
            masks, utilities = read_part(part, "a")
        except BrokenPartError:
            broken += 1
            continue
        assert_array_equal(masks, EVERY[[1, 2, 3]])
        assert_array_equal(utilities, WORTH[[1, 2, 3]].astype(np.float32))
    assert broken > len(whole) / 2


def rewritten(part, **arrays):
    """The part again as a faultless archive, with some arrays changed and its old seal."""
    with np.load(part) as held:
        content = {**held, **arrays}
    np.savez(part, **content)


FORGED = {
    "changed utilities": (
        lambda part: rewritten(part, utilities=np.array([1.0, 2.0])),
        "its checksum is not",
    ),
    "changed masks": (lambda part: rewritten(part, masks=EVERY[[5, 6]]), "its checksum is not"),
    "changed type": (
        lambda part: rewritten(part, masks=EVERY[[3, 4]].astype(np.int8)),
        "its checksum is not",
    ),
    "no seal": (
        lambda part: np.savez(part, masks=EVERY[[3, 4]], utilities=WORTH[[3, 4]]),
        "not a readable part",
    ),
    "no archive": (lambda part: part.write_text("Dear store,"), "not a readable part"),
}
WRITTEN = {
    "other players": (
        ("a", all_subsets(3), np.zeros(8)),
        r"utilities of shape \(\) of 3 players, the store \(\) of 4",
    ),
    "other axes": (("a", EVERY[:2], np.zeros((2, 3))), r"utilities of shape \(3,\) of 4 players"),
    "other lengths": (
        ("a", EVERY[:2], np.zeros(3)),
        r"masks bool\[2, 4\] do not fit its 3 utilities",
    ),
    "not finite": (("a", EVERY[:2], np.array([1, np.nan])), "not finite"),
    "another game's": (
        ("bcdefghijk", EVERY[:2], np.zeros(2)),
        "another game .fingerprint bcdefghi, not a",
    ),
}


@pytest.mark.parametrize(("forge", "reason"), FORGED.values(), ids=FORGED)
def test_a_part_that_was_tampered_with_is_set_aside(forge, reason, tmp_path):
    fill(UtilityStore(tmp_path, fingerprint="a"), [3, 4])
    (part,) = tmp_path.glob("part-*.npz")
    forge(part)
    with pytest.warns(UserWarning, match=f"{part.name} of the store is broken .*{reason}"):
        assert len(UtilityStore(tmp_path, fingerprint="a")) == 0
    assert not part.exists() and part.with_suffix(".broken").exists()


@pytest.mark.parametrize(("written", "reason"), WRITTEN.values(), ids=WRITTEN)
def test_a_part_that_does_not_fit_the_store_is_set_aside(written, reason, tmp_path):
    fill(UtilityStore(tmp_path, fingerprint="a"), [3, 4])
    part = tmp_path / write_part(tmp_path, *written)
    with pytest.warns(UserWarning, match=f"{part.name} of the store is broken .*{reason}"):
        store = UtilityStore(tmp_path, fingerprint="a")
    assert np.flatnonzero(store.known(EVERY)).tolist() == [3, 4]
    assert not part.exists() and part.with_suffix(".broken").exists()


def test_a_part_that_cannot_be_read_is_refused_and_stays(tmp_path, monkeypatch):
    fill(UtilityStore(tmp_path, fingerprint="a"), [3, 4])
    there = sorted(tmp_path.iterdir())

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", denied)
        with pytest.raises(InvalidInputError, match="Permission denied"):
            UtilityStore(tmp_path, fingerprint="a")
    assert sorted(tmp_path.iterdir()) == there


@pytest.mark.parametrize(
    ("masks", "utilities", "reason"),
    [
        (EVERY[5:7], np.array([1.0, np.inf]), "Expected utilities to be finite"),
        (all_subsets(3)[:2], np.zeros(2), r"shapes \[M, 4\]"),
        (EVERY[5:7], np.zeros((2, 2)), r"got \[2, 4\] and \[2, 2\]"),
        (EVERY[5:7], np.zeros(3), r"got \[2, 4\] and \[3\]"),
    ],
)
def test_what_does_not_fit_is_not_added(masks, utilities, reason, tmp_path):
    store = UtilityStore(tmp_path, fingerprint="a")
    fill(store, [3, 4])
    with pytest.raises(InvalidInputError, match=reason):
        store.add(masks, utilities)
    store.flush()
    assert len(store) == len(UtilityStore(tmp_path, fingerprint="a")) == 2


# ------------------------------------------------------------------ several writers


def test_refresh_reads_what_others_wrote_and_nothing_twice(tmp_path, monkeypatch):
    one, other = (UtilityStore(tmp_path, fingerprint="a") for _ in range(2))
    fill(one, [1, 2])
    fill(other, [3])
    read = []
    monkeypatch.setattr(
        store_module, "read_part", lambda part, *rest: read.append(part) or read_part(part, *rest)
    )
    assert not one.known(EVERY[[3]]).any()
    one.refresh()
    one.refresh()
    assert np.flatnonzero(one.known(EVERY)).tolist() == [1, 2, 3]
    assert len(read) == 1 and one.trained == 2
    fill(other, [4, 5])
    one.refresh()
    assert len(read) == 2 and len(one) == 5


def test_refresh_does_nothing_in_memory():
    store = UtilityStore()
    store.add(EVERY[:3], WORTH[:3])
    store.refresh()
    assert len(store) == 3


def test_the_first_utility_of_a_coalition_stays(tmp_path):
    one, other = (UtilityStore(tmp_path, fingerprint="a") for _ in range(2))
    one.add(EVERY[[1, 2]], np.array([1.0, 2.0]))
    other.add(EVERY[[2, 3, 3]], np.array([20.0, 30.0, 31.0]))
    for store in (one, other, one):
        store.flush()
        store.refresh()
    assert one.read(EVERY[[1, 2, 3]]).tolist() == [1.0, 2.0, 30.0]
    assert other.read(EVERY[[1, 2, 3]]).tolist() == [1.0, 20.0, 30.0]
    assert UtilityStore(tmp_path, fingerprint="a").read(EVERY[[1, 2, 3]]).tolist() == [
        1.0,
        2.0,
        30.0,
    ]


def test_parts_that_are_merged_away_while_they_are_read_are_no_loss(tmp_path, monkeypatch):
    for rows in ([1, 2], [3], [4, 5, 6]):
        fill(UtilityStore(tmp_path, fingerprint="a"), rows)

    def late(part, *rest):
        if len(list(tmp_path.glob("part-*.npz"))) == 3:
            merge([tmp_path])
        return read_part(part, *rest)

    monkeypatch.setattr(store_module, "read_part", late)
    assert np.flatnonzero(UtilityStore(tmp_path, fingerprint="a").known(EVERY)).tolist() == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    assert len(list(tmp_path.glob("part-*"))) == 1


def test_writers_on_hosts_with_one_clock_and_process_number_do_not_overwrite_each_other(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("time.time_ns", lambda: 7)
    monkeypatch.setattr(os, "getpid", lambda: 7)
    for row in range(16):
        fill(UtilityStore(tmp_path, fingerprint="a"), [row])
    assert len(UtilityStore(tmp_path, fingerprint="a")) == 16


# ------------------------------------------------------------------ crashes


class CrashError(BaseException):
    """The process dies."""


def dying(patch, step):
    """Lets the process die at its file operation number `step`, after which it does nothing; counts
    operations."""
    done = []

    def mortal(name, operate):
        def operated(*args, **options):
            done.append(name)
            if name == "savez" and len(done) == step + 1:
                args[0].write(b"PK half a part")
            if len(done) > step:
                raise CrashError(name)
            return operate(*args, **options)

        return operated

    for module, names in ((os, ("fsync", "replace", "mkdir", "unlink", "open")), (np, ("savez",))):
        for name in names:
            patch.setattr(module, name, mortal(name, getattr(module, name)))
    return done


@pytest.mark.parametrize("fresh", [True, False])
def test_a_crash_at_any_file_operation_leaves_whole_parts_only(fresh, tmp_path):
    survived = False
    step = 0
    outcomes = set()
    while not survived:
        folder = tmp_path / "deep" / str(step)
        if not fresh:
            fill(UtilityStore(folder, fingerprint="a"), [1, 2])
        store = UtilityStore(folder, fingerprint="a")
        with pytest.MonkeyPatch.context() as patch:
            done = dying(patch, step)
            try:
                fill(store, [3, 4, 5])
                survived = True
            except CrashError:
                pass
        assert len(done) == step + (not survived) or done[step:] == [done[step]] + ["unlink"] * (
            len(done) - step - 1
        )
        again = UtilityStore(folder, fingerprint="a")
        rows = np.flatnonzero(again.known(EVERY))
        assert rows.tolist() in ([] if fresh else [1, 2], [3, 4, 5] if fresh else [1, 2, 3, 4, 5])
        assert not list(folder.glob("*.broken"))
        fill(again, [3, 4, 5, 6])
        last = UtilityStore(folder, fingerprint="a")
        assert_array_equal(last.read(EVERY[[3, 4, 5, 6]]), WORTH[[3, 4, 5, 6]].astype(np.float32))
        outcomes.add(len(rows))
        step += 1
    assert step > 5 and outcomes == ({0, 3} if fresh else {2, 5})


def test_what_a_full_disk_refused_is_written_when_there_is_room(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    store = UtilityStore(tmp_path / "store", fingerprint="a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            InvalidInputError, match=r"Expected store=.* to be writable: .*No space left on device"
        ):
            fill(store, [3, 4])
    assert not list((tmp_path / "store").glob(".*")), "what was half written is left behind"
    store.flush()
    assert len(UtilityStore(tmp_path / "store", fingerprint="a")) == 2


# ------------------------------------------------------------------ fingerprints


def training_game(
    *, data=None, model=None, metric="negative_loss", report="final", weights="examples", **options
):
    training = local(**{"learning_rate": 0.1, "batch_size": 5, **options})
    rule = fedavg(weights=weights, max_rounds=3)
    start = initial(FEATURES, CLASSES) if model is None else None
    return silo(
        data or federation(),
        Training(model or linear(), training, rule, initial=start),
        metric=metric,
        report=report,
    )


def changed_data(change):
    data = federation()
    return {"data": data.replace(**{change: getattr(data, change).at[0].add(1)})}


CHANGES = {
    "learning rate": {"learning_rate": 0.1 + 1e-7},
    "batch size": {"batch_size": 4},
    "epochs": {"epochs": 2},
    "optimizer": {"optimizer": "adam"},
    "optimizer's option": {"options": {"momentum": 0.9}},
    "metric": {"metric": "accuracy"},
    "report": {"report": "best"},
    "weights": {"weights": "uniform"},
    "model": {"model": mlp(hidden=(3,))},
    "wider model": {"model": mlp(hidden=(4,))},
    "features": changed_data("x"),
    "labels": changed_data("y"),
}


@pytest.fixture(scope="module")
def name():
    return fingerprint(training_game(), jax.random.key(0))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_all_that_decides_a_utility_changes_the_fingerprint(change, name, key):
    assert fingerprint(training_game(**change), key) != name


def test_the_key_changes_the_fingerprint(name):
    assert fingerprint(training_game(), jax.random.key(1)) != name


def test_the_fingerprint_names_the_game_and_not_the_object(name, key):
    assert fingerprint(training_game(), key) == name
    assert fingerprint(training_game(data=federation()), jax.random.key(0)) == name


def test_games_of_one_table_have_different_fingerprints_if_they_compute_differently(key):
    weights = np.array([1.0, 2.0, 3.0])
    assert fingerprint(additive(weights).game, key) != fingerprint(airport(weights).game, key)


@pytest.mark.parametrize("bind", [lambda f: f, jax.jit], ids=["plain", "jit"])
def test_arrays_that_a_game_closes_over_change_the_fingerprint(bind, key):
    def name(worths):
        look_up = bind(lambda mask: (mask * worths).sum())
        return fingerprint(
            Game(world=(), value=lambda world, key, S: look_up(S.mask), num_players=40), key
        )

    worths = np.arange(40.0, dtype=np.float32)
    assert name(worths) == name(worths.copy())
    assert name(worths) != name(np.where(worths == 20, 20.5, worths).astype(np.float32))


def test_participation_inner_rounds_and_length_change_the_fingerprint_of_a_run(key):
    def name(length=3, participants=2, **options):
        rule = fedavg(max_rounds=length)
        return fingerprint(
            rounds(
                federation(),
                Training(linear(), local(), rule, participation=cyclic(participants=participants)),
                **options,
            ).start,
            key,
        )

    names = [
        name(),
        name(length=4),
        name(participants=1),
        name(inner_rounds=2),
        name(metric="negative_loss"),
    ]
    assert len(set(names)) == len(names)
    assert name() == names[0]


@pytest.mark.slow
def test_the_fingerprint_is_the_same_in_another_process(key):
    script = (
        "import jax; from federations import federation, initial;"
        "from fedjax_shap.engine.store import fingerprint; from fedjax_shap.games.silo import silo;"
        "from fedjax_shap.learning.algorithms.fedavg import fedavg;"
        "from fedjax_shap.learning.local import local;"
        "from fedjax_shap.learning.model import mlp;"
        "from fedjax_shap.learning.training import Training;"
        "how = Training(mlp(hidden=(5,)), local(optimizer='adam', batch_size=5), "
        "fedavg(max_rounds=3, tol=0.01), initial=initial(4, 5, 3));"
        "print(fingerprint(silo(federation(), how), jax.random.key(0)))"
    )
    here = Path(__file__).resolve().parents[1]
    names = [
        subprocess.run(
            [sys.executable, "-c", script], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    training = local(optimizer="adam", batch_size=5)
    rule = fedavg(max_rounds=3, tol=0.01)
    game = silo(federation(), Training(mlp(hidden=(5,)), training, rule, initial=initial(4, 5, 3)))
    assert names == [fingerprint(game, key)] * 2


def test_the_label_of_a_store_holds_its_fingerprint(tmp_path):
    fill(UtilityStore(tmp_path, fingerprint="abc"), [3])
    assert json.loads((tmp_path / "store.json").read_text()) == {"fingerprint": "abc"}


@pytest.mark.parametrize("folder", [None, "store"])
def test_a_store_serves_one_game_and_key(folder, tmp_path, key):
    one = additive([1.0, 2.0]).game
    other = additive([1.0, 3.0]).game
    masks = all_subsets(2)
    path = None if folder is None else tmp_path / folder
    store = UtilityStore(path, fingerprint=fingerprint(one, key))
    first = evaluate(one, key, masks, store=store)
    again = additive([1.0, 2.0]).game
    assert_array_equal(evaluate(again, jax.random.key(0), masks, store=store), first)
    for game, seed in ((other, 0), (one, 1)):
        with pytest.raises(InvalidInputError, match="holds the utilities of another"):
            evaluate(game, jax.random.key(seed), masks, store=store)


def test_a_folder_needs_a_fingerprint(tmp_path):
    with pytest.raises(InvalidInputError, match="Expected a fingerprint"):
        UtilityStore(tmp_path)


def test_arrays_closed_over_inside_a_checkpoint_are_in_the_fingerprint(key):
    def game(weights):
        held = jnp.asarray(weights)
        inner = jax.jit(lambda mask: (mask * held).sum())
        return Game(
            world=(), value=lambda world, key, one: jax.checkpoint(inner)(one.mask), num_players=4
        )

    assert fingerprint(game([1.0, 2, 3, 4]), key) != fingerprint(game([1.0, 2, 3, 5]), key)
