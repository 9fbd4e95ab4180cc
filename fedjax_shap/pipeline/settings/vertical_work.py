"""The work of a vertical federation's parties: its joint training by the coordinated protocol,
counted and not run.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.data.vertical import Columns
from fedjax_shap.devices.coordinated import coordinated_workload
from fedjax_shap.devices.fleet import Metered, metered
from fedjax_shap.pipeline.by_name import devices_of
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.settings.setting import CountWork, Work, no_work
from fedjax_shap.privacy.paillier import LEAST_KEY
from fedjax_shap.protocols.coordinated_counts import (
    Counts,
    Training,
    of_hosts,
    of_label_holder,
    training,
)
from fedjax_shap.typing import HostArray

COUNTED = ("least_squares", "ridge", "logistic", "taylor")  # linear or logistic, as it trains them


class Counted(NamedTuple):
    """What is counted of a vertical federation.

    Attributes:
        work: counts what the players did.
        notes: what a reader should know of that.
    """

    work: CountWork
    notes: tuple[str, ...]


def vertical_work(
    config: Config, columns: Columns, moved: Mapping[str, tuple[int, int]]
) -> Counted:
    """What parties do to train the model of all columns together.

    Args:
        config: the configuration.
        columns: the aligned rows.
        moved: {party: bytes that it sent and received to align rows}.

    Raises:
        InvalidInputError: a model that the coordinated protocol does not train.
    """
    asked = training(
        len(columns.y),
        epochs=config.value("game", "epochs"),
        batch_size=config.value("game", "batch_size"),
        encryption=config.value("game", "encryption"),
    )
    if not config.knows_devices and asked.encryption == "none":
        return Counted(no_work, ())
    _require_trained(config, columns)
    widths = [int((columns.owners == place).sum()) for place in range(len(columns.names))]
    hosts = of_hosts(asked, dict(zip(columns.names, widths, strict=True)))
    own = of_label_holder(asked, len(hosts), int((columns.owners == -1).sum()))
    aligned = np.array([moved.get(name, (0, 0)) for name in columns.names], np.int64)
    used = _metered(config, asked, hosts, aligned)

    def work(num_rounds: int | None, /) -> Work:
        return Work(np.full(len(hosts), asked.num_steps), used)

    of_holder = sum(moved.get(columns.label_holder, (0, 0)))
    said = (_on_training(asked, hosts), _on_holder(columns.label_holder, own, of_holder))
    return Counted(work, (*_on_others(columns, moved), *said))


def _metered(
    config: Config, asked: Training, hosts: Mapping[str, Counts], aligned: HostArray
) -> Metered | None:
    """What the training takes of the players' devices, all of it as one round."""
    profiles = devices_of(config, tuple(hosts))
    if not profiles:
        return None
    workload = coordinated_workload(asked, list(hosts.values()), aligned)
    steps = np.full((1, len(hosts)), asked.num_steps)
    return metered(profiles, workload, steps, np.ones(steps.shape))


def _require_trained(config: Config, columns: Columns) -> None:
    """Refuses a model that the coordinated protocol does not train."""
    name = config.sections["model"].name
    why = "for [devices] and game.encryption, which count the training of linear models"
    require(
        name in COUNTED,
        f"Expected model.name={name!r} to be one of {', '.join(COUNTED)} {why}.",
    )
    classes = columns.num_classes
    require(
        classes is None or classes == 2,
        f"Expected two classes {why} and of logistic ones of two classes, got {classes}.",
    )


def _on_others(columns: Columns, moved: Mapping[str, tuple[int, int]]) -> tuple[str, ...]:
    """Whose bytes of an alignment stand in no party's bill."""
    parties = (*columns.names, columns.label_holder)
    others = [name for name in moved if name not in parties]
    if not others:
        return ()
    return (
        f"Bytes of the alignment of {', '.join(others)} are in no bill: their columns went to "
        "others.",
    )


def _on_training(asked: Training, hosts: Mapping[str, Counts]) -> str:
    """What was counted, in a sentence each."""
    how = "with plain numbers"
    slower = ""
    if asked.encryption != "none":
        made = ", ".join(f"{name} {one.encryptions:,}" for name, one in hosts.items())
        how = f"under Paillier keys of {LEAST_KEY:,} bits (encryptions: {made})"
        slower = (
            " Products of words stand for floating-point operations, of which data sheets promise "
            "more: devices.steps_per_second takes a speed as measured."
        )
    return (
        f"Work and bytes were counted, not measured: one training of all columns by the "
        f"coordinated protocol {how}, epochs = {asked.epochs}, batch_size = {asked.batch_size}, "
        "as one round; bytes of a private alignment are with them, its operations are not. Values "
        f"come from models trained in one place.{slower}"
    )


def _on_holder(name: str, own: Counts, aligned: int) -> str:
    """What the label holder does, who is no player and whose devices are not described."""
    moved = own.sent + own.received + aligned
    return (
        f"{name} moves {moved:,} bytes and makes {own.encryptions:,} encryptions in it; its cost "
        "is what economics.permanent.cost says, and no bill of devices."
    )
