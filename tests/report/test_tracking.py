"""A tracker has every number of a run by its round or its coalitions, and every figure."""

import json
import struct
import sys
from dataclasses import replace

import numpy as np
import pytest
from console import said
from handmade import curves_of, result_of

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.pipeline import run as pipeline_run
from fedjax_shap.report.saved_run import saved_run
from fedjax_shap.report.tracking import Tracker, logging_to, tensorboard, track, watching
from fedjax_shap.shapley.estimator import Slices

NAMES = ("north/1", "south")


class Kept:
    """What a tracker was given."""

    def __init__(self):
        self.numbers = {}
        self.images = {}
        self.tracker = Tracker(self._numbers, self._image, lambda: None)

    def _numbers(self, given, step, /):
        self.numbers |= {(name, step): value for name, value in given.items()}

    def _image(self, name, image, step, /):
        self.images[name, step] = image


def saved(**others):
    """A run of two members as it is read from its file."""
    result = result_of(NAMES, [0.5, -0.25], costs=["10", "5"], **others)
    return saved_run(json.loads(json.dumps(result.to_json())), "run")


def test_a_run_is_logged_by_round_and_by_coalitions():
    run = saved(curve=curves_of(2))
    kept = Kept()
    track(run, kept.tracker)
    asked = run.coalitions["asked"]
    label = run.curve.label
    rows = {"federated": run.curve.federated, "pooled data": run.curve.pooled}
    rows |= dict(zip(("north/1 alone", "south alone"), run.curve.alone, strict=True))
    for name, row in rows.items():
        logged = [kept.numbers[f"{label} by round/{name}", at] for at in (1, 2, 3)]
        assert logged == pytest.approx(row)
    assert kept.numbers["value/north/1", asked] == 0.5
    assert kept.numbers["payment/north/1", asked] == float(run.settlement.payments[0])
    assert kept.numbers["cost/north/1", asked] == 10.0 != float(run.settlement.payments[0])
    assert kept.numbers["game/V(N)", asked] == float(run.attribution.grand)
    assert kept.numbers["game/V(empty)", asked] == float(run.attribution.empty)
    assert [name for name, _ in kept.images] == [
        f"figures/{name}" for name in ("values", "payments", "curve")
    ]
    for image in kept.images.values():
        assert image.dtype == np.uint8 and image.shape[2] == 3 and image.std() > 1


def test_values_by_round_are_logged():
    slices = Slices(
        "rounds", ("1", "2"), np.zeros(0), np.eye(2), np.eye(2), np.zeros(2), np.ones(2)
    )
    result = result_of(NAMES, [0.5, -0.25])
    found = result.attribution.replace(slices=slices)
    record = json.loads(json.dumps(replace(result, attribution=found).to_json()))
    kept = Kept()
    track(saved_run(record, "run"), kept.tracker)
    logged = {key: one for key, one in kept.numbers.items() if key[0].startswith("value by")}
    assert logged == {
        ("value by round/north/1", 1): 1.0,
        ("value by round/north/1", 2): 0.0,
        ("value by round/south", 1): 0.0,
        ("value by round/south", 2): 1.0,
    }


def test_what_is_not_known_is_not_logged():
    kept = Kept()
    track(saved(unpaid="Nothing was earned."), kept.tracker)
    names = {name.partition("/")[0] for name, _ in kept.numbers}
    assert names == {"value", "game"} and all(map(np.isfinite, kept.numbers.values()))


def test_a_watch_tells_how_many_seconds_coalitions_took():
    kept = Kept()
    seen = []
    stage = watching(kept.tracker, lambda name: lambda done, total: seen.append((name, done)))
    progress = stage("coalitions")
    progress(4, 8)
    progress(8, 8)
    assert seen == [("coalitions", 4), ("coalitions", 8)]
    early, late = (kept.numbers["seconds/coalitions", done] for done in (4, 8))
    assert 0 <= early <= late


class OfWandb:
    """A run of W&B's shape."""

    def __init__(self):
        self.logged = []
        self.finished = False

    def log(self, numbers):
        self.logged.append(numbers)

    def finish(self):
        self.finished = True


def test_a_run_of_another_library_gets_steps_as_numbers_of_their_own():
    run = OfWandb()
    tracker = logging_to(run, image_of=lambda image: image.shape)
    tracker.numbers({"accuracy by round/federated": 0.5}, 3)
    tracker.image("figures/values", np.zeros((4, 5, 3), np.uint8), 8)
    tracker.close()
    first = {"accuracy by round/step": 3, "accuracy by round/federated": 0.5}
    assert run.logged == [first, {"figures/values": (4, 5, 3)}] and run.finished
    without = OfWandb()
    logging_to(without).image("figures/values", np.zeros((4, 5, 3), np.uint8), 8)
    assert without.logged == []


def events_in(folder):
    """The summaries in an event file: (length, checksum, event, checksum) each."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.glob("events.out.tfevents.*")
    content = file.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        event = Event.FromString(content[12 : 12 + length])
        yield from ((one, event.step) for one in event.summary.value)
        content = content[16 + length :]


def test_event_files_have_the_numbers_and_the_images(tmp_path):
    pytest.importorskip("tensorboardX")
    tracker = tensorboard(tmp_path / "events")
    tracker.numbers({"value/south": 0.25}, 8)
    tracker.image("figures/values", np.full((4, 6, 3), 200, np.uint8), 8)
    tracker.close()
    (number, at), (image, _) = events_in(tmp_path / "events")
    assert (number.tag, number.simple_value, at) == ("value/south", 0.25, 8)
    assert (image.image.height, image.image.width) == (4, 6)
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match="tensorboard="):
        tensorboard(tmp_path / "file" / "events")


def test_what_is_not_installed_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InvalidInputError, match=r"tensorboardX .*fedjax-shap\[tracking\]"):
        tensorboard(tmp_path)


def test_the_command_logs_what_it_ran(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboardX")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text('title = "small"\n')

    def run(config, *, watch, **_):
        watch("coalitions")(4, 4)
        return result_of(NAMES, [0.5, -0.25], curve=curves_of(2))

    monkeypatch.setattr(pipeline_run, "run", run)
    said(capsys, "run", "small.toml", "--tensorboard", "events")
    tags = {summary.tag for summary, _ in events_in(tmp_path / "events")}
    assert {"seconds/coalitions", "value/south", "payment/south", "figures/curve"} <= tags
    assert (tmp_path / "runs" / "small" / "report.html").exists()
