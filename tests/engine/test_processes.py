"""Several processes: they join, exchange, value together, and stop where one of them is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.engine import hub, processes

# One of several processes: joins, exchanges, then does what `fate` says.
ONE = """
import os, signal, sys, time
import numpy as np
from fedjax_shap.engine import processes

coordinator, count, rank, fate = sys.argv[1:]
place = (coordinator, int(count), int(rank)) if count != "-" else (coordinator,)
try:
    with processes.together(*place):
        rank = processes.rank()
        for round_ in range(3):
            mine = bytes([rank, round_]) * (2_000_000 if rank else 1)
            got = processes.exchange(mine)
            if round_ == 2 and fate == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            ranks = range(processes.count())
            assert [one[:2] for one in got] == [bytes([r, round_]) for r in ranks]
            assert [len(one) for one in got] == [2] + [4_000_000] * (processes.count() - 1)
        if fate == "raise":
            raise ZeroDivisionError
        if fate == "leave":
            time.sleep(1)
            sys.exit(0)
        if fate == "wait":
            processes.exchange(b"")
        if fate == "compute":
            while True:
                processes.check()
                time.sleep(0.1)
        if fate == "linger":
            time.sleep(2)
        mine = {"rows": np.arange(rank), "values": np.full((2, 3), rank / 3)}
        arrays = processes.exchange_arrays(mine)
        assert [len(one["rows"]) for one in arrays] == list(range(processes.count()))
        assert all((one["values"] == r / 3).all() for r, one in enumerate(arrays))
    print("done")
except processes.PeerLostError as error:
    print(error)
    raise SystemExit(3)
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def start(*arguments: object, **variables: str) -> subprocess.Popen:
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | {
        "JAX_PLATFORMS": "cpu",
        **variables,
    }
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(*running: subprocess.Popen, within: float = 280) -> list[tuple[int, str, str]]:
    """(exit code, output, errors) of each; less time than a process waits for the dead to join."""
    try:
        said = [one.communicate(timeout=within) for one in running]
        return [(one.returncode, out, err) for one, (out, err) in zip(running, said)]
    finally:
        for one in running:
            one.kill()
            one.communicate()


def company(*fates: str) -> list[tuple[int, str, str]]:
    address = f"127.0.0.1:{free_port()}"
    return ended(
        *(start("-c", ONE, address, len(fates), rank, fate) for rank, fate in enumerate(fates))
    )


def test_a_process_alone_has_only_itself():
    for place in ((), ("localhost:1", 1, 0)):
        with processes.together(*place):
            assert (processes.rank(), processes.count()) == (0, 1)
            assert processes.exchange(b"mine") == [b"mine"]
            (own,) = processes.exchange_arrays({"x": np.arange(3)})
            assert own["x"].tolist() == [0, 1, 2]
            processes.check()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (("node1:1234", 2, None), "coordinator, num_processes and process_id together"),
        ((None, 2, 0), "coordinator=None"),
        (("slurm", 2, 0), "coordinator='slurm' alone"),
        (("node1", 2, 0), "coordinator='node1' to be HOST:PORT"),
        (("node1:99999", 2, 0), "HOST:PORT"),
        (("node1:1234", 0, 0), "num_processes=0"),
        (("node1:1234", 2, 2), "process_id=2"),
        (("no.such.host.invalid:1234", 2, 1), "to be a known host"),
    ],
)
def test_a_place_that_makes_no_sense_is_refused(place, words):
    with pytest.raises(InvalidInputError, match=words), processes.together(*place):
        pass


def test_a_port_in_use_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(InvalidInputError, match="to be free"), processes.together(place, 2, 0):
            pass


@pytest.mark.parametrize(
    ("rank", "words"), [(0, r"Process 1 \(of 0..1\) did not join"), (1, "Process 0 was not found")]
)
def test_who_waits_for_nobody_gives_up(rank, words):
    place = (f"127.0.0.1:{free_port()}", 2, rank)
    with (
        pytest.raises(processes.PeerLostError, match=words),
        processes.together(*place, join_within=0.5),
    ):
        pass
    assert processes.count() == 1


def test_strangers_and_misfits_do_not_get_in():
    address = ("127.0.0.1", free_port())
    deadline = time.monotonic() + 240
    opened = []
    thread = threading.Thread(target=lambda: opened.append(hub.open_hub(address, 3, deadline)))
    thread.start()
    first = hub.knock(address, 1, 3, deadline)
    with socket.create_connection(address) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises((ConnectionError, EOFError)):  # the hub hangs up
            raise EOFError if stranger.recv(100) == b"" else AssertionError
    for rank, count in ((1, 3), (2, 4), (3, 3), (0, 3)):
        with pytest.raises(
            InvalidInputError, match=f": 2 of 3, got fedjax-shap .*: {rank} of {count}"
        ):
            hub.knock(address, rank, count, deadline)
    second = hub.knock(address, 2, 3, deadline)
    thread.join(timeout=240)
    ((zeroth, relay),) = opened
    for line in (zeroth, first, second):
        line.send_bytes(hub.DONE)
    relay.join(timeout=240)
    assert not relay.is_alive()


@pytest.mark.slow
def test_processes_exchange_in_order_of_rank_and_end_in_silence():
    for code, out, err in company("", "linger", ""):
        assert (code, out, err) == (0, "done\n", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "fates", [("die", "wait", "compute"), ("wait", "die", "compute"), ("compute", "leave", "wait")]
)
def test_the_others_stop_with_a_sentence_where_one_dies_or_leaves(fates):
    ended_as = company(*fates)
    gone = next(rank for rank, fate in enumerate(fates) if fate in ("die", "leave"))
    for rank, (code, out, err) in enumerate(ended_as):
        if rank != gone:
            assert code == 3 and "Traceback" not in err
            assert out.startswith(
                f"Process {gone} (of 0..2) died, failed or left; what was valued is kept"
            )


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_an_error_of_one_is_made_known_to_the_other(victim):
    ended_as = company(*("raise" if rank == victim else "wait" for rank in range(2)))
    assert "ZeroDivisionError" in ended_as[victim][2]
    code, out, _ = ended_as[1 - victim]
    assert code == 3 and f"Process {victim} (of 0..1)" in out


@pytest.mark.slow
def test_slurm_says_who_is_who():
    while (port := free_port_of_slurm()) is None:
        time.sleep(0.1)
    step = {
        "SLURM_JOB_ID": str(port - 61440),
        "SLURM_STEP_NODELIST": "127.0.0.1",
        "SLURM_NTASKS": "2",
    }
    both = (
        start("-c", ONE, "slurm", "-", "-", "", **step, SLURM_PROCID=rank, SLURM_LOCALID=rank)
        for rank in ("0", "1")
    )
    for code, out, err in ended(*both):
        assert (code, out, err) == (0, "done\n", "")


def free_port_of_slurm() -> int | None:
    """A free port among those that a Slurm step may use."""
    port = int(np.random.default_rng().integers(61440, 65536))
    try:
        with socket.create_server(("127.0.0.1", port)):
            return port
    except OSError:
        return None


@pytest.mark.parametrize(
    ("hosts", "first"),
    [("node1", "node1"), ("a1,b2", "a1"), ("node[001-015],x", "node001"), ("node[7,9]", "node7")],
)
def test_the_first_host_of_a_slurm_step_listens_and_each_process_has_its_gpu(
    monkeypatch, hosts, first
):
    step = {
        "JOB_ID": "5",
        "STEP_NODELIST": hosts,
        "NTASKS": "8",
        "PROCID": "6",
        "LOCALID": "2",
        "STEP_NUM_NODES": "2",
    }
    for name, value in step.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SLURM_STEP_ID", raising=False)
    chosen = {}
    monkeypatch.setattr(jax.config, "update", chosen.__setitem__)
    assert processes._place("slurm", None, None) == ((first, 61445), 6, 8)
    assert chosen == {"jax_cuda_visible_devices": "2"}
    chosen.clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")  # Slurm bound the process to one GPU already
    processes._place("slurm", None, None)
    assert not chosen


def test_slurm_outside_a_step_is_refused(monkeypatch):
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    with pytest.raises(InvalidInputError, match="SLURM_PROCID"), processes.together("slurm"):
        pass


CONFIG = """
title = "several processes"
[data]
name = "breast_cancer"
[partition]
name = "quantity"
ratios = [1, 2, 3, 4, 5, 6]
[local]
learning_rate = 0.1
batch_size = 32
[algorithm]
max_rounds = 200
[game]
metric = "negative_loss"
[costs]
name = "per_example"
price = 0.1
[economics]
revenue = 100
[plan]
chunk = 2
"""
# The command line, with a store that is written more often than every few seconds.
RUN = """
from fedjax_shap.cli.main import main
from fedjax_shap.engine import store

store.SECONDS_BETWEEN_FLUSHES = 0.2
raise SystemExit(main())
"""


def launch(out: Path, rank: int = 0, count: int = 1, port: int = 1) -> subprocess.Popen:
    """Process `rank` of a run whose results go to `out`."""
    config = out.with_suffix(".toml")
    config.write_text(CONFIG)
    command = ["-c", RUN, "run", config, "--out", out]
    if count > 1:
        command += ["--coordinator", f"127.0.0.1:{port}"]
        command += ["--num-processes", count, "--process-id", rank]
    return start(*command)


def stored(out: Path) -> dict[bytes, float]:
    """The utilities in a store, by coalition."""
    parts = [np.load(part) for part in sorted(out.glob("utilities/part-*.npz"))]
    return {
        mask.tobytes(): value
        for one in parts
        for mask, value in zip(one["masks"], one["utilities"].tolist())
    }


def result(out: Path) -> dict:
    return json.loads((out / "result.json").read_text())


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """What one process leaves behind."""
    out = tmp_path_factory.mktemp("alone") / "out"
    ((code, _, err),) = ended(launch(out))
    assert (code, err) == (0, "")
    assert len(stored(out)) == 64
    return out


# One of two processes that value coalitions together, some of which are not finite, and then meet
# with different games. It prints what it was asked for and what it got.
VALUING = """
import json, sys, warnings
import jax, numpy as np
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine import processes
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.callable import from_callable
from fedjax_shap.games.closed_form import additive

warnings.simplefilter("ignore")
rank, masks, plan, asked = int(sys.argv[2]), all_subsets(4), Plan(chunk=2), []

def worth(masks):
    rows = masks @ [1, 2, 4, 8]
    asked.extend(rows.tolist())
    return np.where(rows % 5 == 4, np.nan, rows + 1.0)

def refusal(game, key=0, **options):
    try:
        evaluate(game, jax.random.key(key), masks[:, :game.num_players], plan, **options)
    except InvalidInputError as error:
        return str(error)

game = from_callable(worth, 4, name="ranks")
with processes.together(sys.argv[1], 2, rank):
    kept = evaluate(game, jax.random.key(0), masks, plan, on_nonfinite="keep")
    first = list(asked)
    floored = evaluate(game, jax.random.key(0), masks, plan, on_nonfinite="floor")
    refused = refusal(game)
    different = [
        refusal(from_callable(worth, 4, name=f"ranks of process {rank}")),
        refusal(additive([1.0, 2.0 + rank]).game),
        refusal(additive([1.0, 2.0]).game, key=rank),
    ]
results = {"asked": first, "kept": kept.tolist(), "floored": floored.tolist()}
print(json.dumps({**results, "refused": refused, "different": different}))
"""


@pytest.fixture(scope="module")
def valued() -> list[dict]:
    """What each of two processes printed."""
    address = f"127.0.0.1:{free_port()}"
    both = ended(*(start("-c", VALUING, address, rank) for rank in range(2)))
    for code, _, err in both:
        assert (code, err) == (0, "")
    return [json.loads(out) for _, out, _ in both]


def test_utilities_that_are_not_finite_reach_all_processes(valued):
    rows = np.arange(16)
    failed = rows % 5 == 4
    for process in valued:
        assert np.intersect1d(process["asked"], rows[failed]).size, "each met one of its own"
        assert_array_equal(process["kept"], np.where(failed, np.nan, rows + 1))
        assert_array_equal(process["floored"], np.where(failed, 1, rows + 1))
        assert "those of coalitions [2], [1, 2, 3], [0, 3] are not" in process["refused"]
    assert sorted(valued[0]["asked"] + valued[1]["asked"]) == rows.tolist(), "each coalition once"


def test_processes_with_different_games_are_refused(valued):
    for process in valued:
        for sentence in process["different"]:
            assert sentence == (
                "Expected all 2 processes to run one configuration on the same data, but their "
                "games differ."
            )


@pytest.mark.slow
def test_two_processes_divide_the_work_and_give_the_values_of_one(alone, tmp_path):
    out = tmp_path / "out"
    port = free_port()
    first, second = ended(launch(out, 0, 2, port), launch(out, 1, 2, port))
    assert (first[0], first[2]) == (0, "") and "together" in first[1]  # process 0 speaks for both
    assert second == (0, "", "")
    assert stored(out) == stored(alone)
    assert result(out)["values"] == result(alone)["values"]
    assert result(out)["coalitions"]["trained"] == 32


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_one_process_killed_stops_the_other_and_a_restart_alone_finishes(alone, tmp_path, victim):
    out = tmp_path / "out"
    port = free_port()
    both = [launch(out, rank, 2, port) for rank in range(2)]
    while not list(out.glob("utilities/part-*.npz")) and both[0].poll() is None:
        time.sleep(0.05)
    both[victim].send_signal(signal.SIGKILL)
    code, _, err = ended(*both)[1 - victim]
    assert code == 3 and "Traceback" not in err, err
    assert f"error: Process {victim} (of 0..1) died, failed or left; what was valued is kept" in err
    kept = stored(out)
    assert 0 < len(kept) < 64 and not (out / "result.json").exists()
    ((code, _, err),) = ended(launch(out))
    assert (code, err) == (0, "")
    assert result(out)["coalitions"]["from_store"] == len(kept)
    assert stored(out) == stored(alone)
    assert result(out)["values"] == result(alone)["values"]
