"""A run that is killed at any moment goes on from its store, and several at once share one.

The test starts this file as a script. It imports everything and computes nothing, so that it can
fork children that begin to compile at once; each values the game with a store in a folder, every
chunk a part, and is killed.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
from federations import CLASSES, FEATURES, federation, initial
from numpy.testing import assert_array_equal

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine import store as store_module
from fedjax_shap.engine.archive import read
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.parts import read_part
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training

TESTS = Path(__file__).resolve().parents[1]
PLAYERS = 6
CHUNK = 4
KILLS = 20
EVERY = all_subsets(PLAYERS)


def work(folder):
    """Values every coalition into the store in `folder`, every chunk a part; waits to be killed."""
    store_module.SECONDS_BETWEEN_FLUSHES = -1.0
    data = federation((7, 12, 4, 5, 9, 6))
    rule = fedavg(max_rounds=40)
    start = initial(FEATURES, CLASSES)
    game = silo(
        data, Training(linear(), local(batch_size=5), rule, initial=start), metric="negative_loss"
    )
    evaluate(
        game, jax.random.key(0), EVERY, Plan(chunk=CHUNK), UtilityStore(folder, fingerprint="a")
    )
    signal.pause()


def fork(folder):
    """A child at work."""
    child = os.fork()
    if child == 0:
        try:
            work(folder)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    return child


def known(folder):
    """How many coalitions are on disk."""
    return len(UtilityStore(folder, fingerprint="a"))


def seconds_until(count, folder):
    """Waits until so many coalitions are on disk; how long that took."""
    began = time.monotonic()
    store = UtilityStore(folder, fingerprint="a")
    while len(store) < count:
        assert time.monotonic() - began < 600, f"{len(store)} of {count} coalitions in {folder}"
        time.sleep(0.002)
        store.refresh()
    return time.monotonic() - began


def end(child):
    """Kills a child, which has not ended by itself."""
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def drive(folder):
    """Two children at once; one undisturbed; then one after the other, each killed and resumed by
    the next."""
    children = [fork(folder / "together") for _ in range(2)]
    seconds_until(len(EVERY), folder / "together")
    for child in children:
        end(child)
    child = fork(folder / "whole")
    until_first = seconds_until(1, folder / "whole")
    a_chunk = seconds_until(len(EVERY), folder / "whole") * CHUNK / len(EVERY)
    end(child)
    draw = random.Random(0)
    kills = []
    store = None
    while store is None or len(kills) < KILLS or known(store) < len(EVERY):
        fresh = store is None or known(store) == len(EVERY)
        if fresh:
            store = folder / f"killed-{len(kills)}"
        there = known(store)
        child = fork(store)
        chunks = 0
        latest = until_first / 2 if kills else 0.0  # the first before anything is written
        if not fresh:
            chunks = draw.choice((0, 0, 1, 1, 2))
            latest = until_first
        if chunks == 0:
            time.sleep(draw.uniform(0, latest))  # while it loads and compiles
        else:
            seconds_until(min(there + chunks * CHUNK, len(EVERY)), store)
            time.sleep(draw.uniform(0, a_chunk))  # while it computes, writes, renames
        end(child)
        kills.append((there, known(store)))
    print(json.dumps(kills))


@pytest.mark.slow
def test_a_run_killed_at_any_moment_loses_no_part_and_resumes_to_the_same_bits(tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (TESTS, TESTS.parent))),
        "XLA_FLAGS": "",
        "JAX_COMPILATION_CACHE_DIR": str(
            tmp_path / "compiled"
        ),  # most of a child's seconds would be one compilation
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    run = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0 and "Traceback" not in run.stderr, run.stderr
    kills = json.loads(run.stdout)
    assert len(kills) >= KILLS >= 20
    assert all(before <= after for before, after in kills)
    assert len({after for _, after in kills}) >= 6, kills
    assert any(after == 0 for _, after in kills), "none before the first part"
    assert any(before < after < len(EVERY) for before, after in kills), "none between two parts"
    expected = UtilityStore(tmp_path / "whole", fingerprint="a").read(EVERY)
    assert np.ptp(expected) > 0.1
    killed = list(tmp_path.glob("killed-*"))
    for folder in (tmp_path / "together", *killed):
        assert_array_equal(UtilityStore(folder, fingerprint="a").read(EVERY), expected)
        assert not read(folder).problems and not list(folder.glob("*.broken"))
    for folder in killed:
        trained = [len(read_part(part, "a")[0]) for part in folder.glob("part-*.npz")]
        assert sum(trained) == len(EVERY), "what was on disk was trained again"


if __name__ == "__main__":
    warnings.filterwarnings("error", message="Part .* of the store is broken")
    drive(Path(sys.argv[1]))
