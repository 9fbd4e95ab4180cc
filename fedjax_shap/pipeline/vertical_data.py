"""The data of a vertical federation that a configuration describes: read, aligned by ids, its
columns given to parties.
"""

from typing import Any, Literal, NamedTuple

from fedjax_shap._validate import cautions, how_many, require
from fedjax_shap.data.aligned import columns, columns_of, common_rows
from fedjax_shap.data.column_partition import COLUMN_PARTITIONS
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.streams import PARTITION, stream
from fedjax_shap.data.vertical import Columns, VerticalData, VerticalPool
from fedjax_shap.learning.task import Task
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.loaded import source_of
from fedjax_shap.pipeline.own_names import is_own
from fedjax_shap.protocols.align import align
from fedjax_shap.typing import HostArray

Alignment = Literal["clear", "private"]
AS_THEY_COME = "natural"  # the partition that leaves columns with whom they came from


class LoadedColumns(NamedTuple):
    """The data of a vertical federation.

    Attributes:
        columns: the aligned rows and whose their columns are.
        task: what is learned; None for what the data suggest.
        notes: what was done with the data, one sentence each.
        moved: {party: bytes that it sent and received to align rows}; empty where none were.
    """

    columns: Columns
    task: Task | None
    notes: tuple[str, ...]
    moved: dict[str, tuple[int, int]]


def loaded_columns(config: Config) -> LoadedColumns:
    """Loads and aligns the data that a configuration describes, and gives columns to parties."""
    task: Task | None = config.build("task")
    validation = config.value("data", "validation")
    said: tuple[str, ...] = ()
    moved: dict[str, tuple[int, int]] = {}
    with cautions() as notes:
        source: Any = source_of(config, task)
        if isinstance(source, Pool):
            found = columns_of(source, validation=validation, seed=config.seed)
            said = tuple(source.notes.get("said", ()))
        else:
            rows, sentence, moved = _rows(source.data, config.value("game", "alignment"))
            found = _sets(source, rows, validation)
            said = (sentence,)
        found = _with_owners(config, found)
    return LoadedColumns(found, task, (*said, *notes), moved)


def _sets(source: VerticalPool, rows: tuple[HostArray, ...], validation: float) -> Columns:
    """The aligned rows in sets."""
    return columns(
        source.data,
        rows,
        test_fraction=source.test_fraction,
        validation=validation,
        seed=source.seed,
    )


def _rows(
    data: VerticalData, how: Alignment
) -> tuple[tuple[HostArray, ...], str, dict[str, tuple[int, int]]]:
    """The common rows of all parties, a sentence on how they were found, and what that moved."""
    moved: dict[str, tuple[int, int]] = {}
    if how == "private":
        found = align(data.ids, data.parties)
        rows = found.rows
        seen = found.transcript
        moved = {one: (seen.bytes_from(one), seen.bytes_to(one)) for one in data.parties}
        sent = sum(one for one, _ in moved.values())
        way = (
            "by private set intersection: parties learn the common ids and each other's numbers of "
            f"rows, {how_many(sent, 'byte')} in {how_many(len(found.transcript), 'message')}"
        )
    else:
        rows = common_rows(data.ids)
        way = (
            "by comparing ids in the clear, as only one who may see them all can; write "
            "game.alignment = 'private' for parties that may not"
        )
    require(
        len(rows[0]) > 0,
        f"Expected {', '.join(data.parties)} to have an id in common, but they have none; ids are "
        "compared character by character, such as '007' and '7'.",
    )
    held = ", ".join(f"{len(ids):,} of {name}" for name, ids in zip(data.parties, data.ids))
    common = how_many(len(rows[0]), "row")
    return rows, f"{common} in common, of {held}, were aligned {way}.", moved


def _with_owners(config: Config, found: Columns) -> Columns:
    """The columns as the configured partition gives them to parties."""
    name = config.sections["partition"].name
    if name != AS_THEY_COME:
        split = config.build("partition")
        given: Columns = split(stream(config.seed, PARTITION), found)
        require(
            isinstance(given, Columns),
            f"Expected partition.name={name!r} to give columns to parties, with a vertical game.",
        )
        return given
    require(
        len(found.names) > 0,
        f"Expected partition.name to say who holds which columns of data.name="
        f"{config.sections['data'].name!r}, whose rows are whole; known: "
        f"{', '.join(COLUMN_PARTITIONS)}.",
    )
    return found


def check_vertical(config: Config) -> None:
    """Refuses, before anything is loaded, what a vertical federation cannot have.

    Raises:
        InvalidInputError: a partition of rows, or test rows and users that are members' own.
    """
    partition = config.sections["partition"].name
    game = config.sections["game"].name
    require(
        is_own(partition) or partition in (AS_THEY_COME, *COLUMN_PARTITIONS),
        f"Expected partition.name={partition!r} to be a partition of columns with game.name="
        f"{game!r}; known: {', '.join(COLUMN_PARTITIONS)}, or {AS_THEY_COME!r} for data that come "
        "in parties.",
    )
    for keyword in ("member_test", "validation_users"):
        require(
            not config.value("data", keyword),
            f"Expected data.{keyword}={config.value('data', keyword)} to be left out with "
            f"game.name={game!r}, whose members hold the same rows.",
        )
