"""Patients: a voice recorded at home over months, and the survival of breast cancer."""

from typing import Any, Literal

import numpy as np

from fedjax_shap._validate import caution, number, one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.parts import last_of_each, numeric, parted
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.scaling import Scale, scaled
from fedjax_shap.data.tables import Table, read_table
from fedjax_shap.typing import HostArray

SKEWED = (  # measures of the voice that are used as logarithms
    "Jitter(%)",
    "Jitter(Abs)",
    "Jitter:RAP",
    "Jitter:PPQ5",
    "Jitter:DDP",
    "Shimmer",
    "Shimmer(dB)",
    "Shimmer:APQ3",
    "Shimmer:APQ5",
    "Shimmer:APQ11",
    "Shimmer:DDA",
    "NHR",
)
VOICE = (*SKEWED, "HNR", "RPDE", "DFA", "PPE")
SCORES = ("total_UPDRS", "motor_UPDRS")
PERSON = ("age", "sex", "test_time")
REGIONS = ("Northeast", "South", "West", "Midwest", "Europe", "Canada")  # FLamby's centres 0 to 5
TCGA_FEATURES = 39
DAYS_A_YEAR = 365.25


def parkinsons(
    *,
    folder: str | None = None,
    score: Literal["total_UPDRS", "motor_UPDRS"] = "total_UPDRS",
    scale: Scale = "pooled",
    test_fraction: float = 0.25,
) -> Pool:
    """Parkinson's telemonitoring (UCI), 5,875 recordings of 42 patients, 19 features, a score.

    y is a score of symptoms in points, larger is worse; it was measured at the start, after three
    and after six months, and is interpolated between these in the table. Features are 16 measures
    of the voice (jitter, shimmer and the ratio of noise as logarithms, as Tsanas et al. use them in
    later work: some recordings are 20 deviations away otherwise, which upsets gradient descent),
    age (years), sex (1 is female) and the time since the start (days). The natural
    federation is by patient; the test set is the last part of each patient's recordings in time.
    Age and sex do not vary within a patient, so a model that knows patients does well without the
    voice; and patients lie far from each other, so local training wants a small learning rate (0.01
    for batches of 32, where 0.1 diverges). Licence: CC BY 4.0.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        score: "total_UPDRS" (0 to 176 points) or "motor_UPDRS" (0 to 108); the other is left out.
        scale: "pooled" standardises features by all training rows, "per_client" each patient's
            rows by its own, "none" leaves the units.
        test_fraction: the fraction of each patient's recordings, the last, that are the test set.

    Raises:
        InvalidInputError: no such file, or one that is not this table.

    References:
        Tsanas, Little, McSharry, Ramig 2010, "Accurate telemonitoring of Parkinson's disease
        progression by noninvasive speech tests" (IEEE Transactions on Biomedical Engineering 57);
        archive.ics.uci.edu/dataset/189.
    """
    one_of("score", score, SCORES)
    path = files.locate(
        folder,
        "parkinsons",
        ["parkinsons_updrs.data"],
        origin="the UCI archive's Parkinsons Telemonitoring set (archive.ics.uci.edu/dataset/189)",
    )
    table = read_table(path)
    require(
        set(table.columns) == {"subject#", *PERSON, *SCORES, *VOICE},
        f"Expected {path} to have the columns of parkinsons_updrs.data, got {list(table.columns)}.",
    )
    features = [*PERSON, *VOICE]
    raw = np.stack([numeric(table, name) for name in features], axis=1)
    skewed = np.isin(features, SKEWED)
    require(bool((raw[:, skewed] > 0).all()), f"Expected jitter and shimmer of {path} to be > 0.")
    raw[:, skewed] = np.log(raw[:, skewed])
    names = [f"log {name}" if name in SKEWED else name for name in features]
    owner = np.array([f"patient {subject}" for subject in table.columns["subject#"]])
    train = last_of_each(owner, numeric(table, "test_time"), fraction=test_fraction)
    return parted(
        scaled(table.name, raw, train, scale, owner),
        numeric(table, score),
        train,
        columns={"patient": owner},
        natural="patient",
        num_classes=None,
        notes={"features": names},
    )


def tcga_brca(
    *,
    folder: str | None = None,
    target: Literal["death", "survival"] = "death",
    years: float = 3.0,
    scale: Scale = "pooled",
) -> Pool:
    """Breast cancer survival (TCGA), 1,088 patients of 6 centres, 39 features, who dies.

    Patients, centres, features and split are FLamby's; the natural federation is by centre.
    **FLamby's task is another one**: a Cox model, scored by concordance, which learns from patients
    who were lost from sight too. `target = "death"` is classification instead: did the patient die
    within `years`? A patient who was lost from sight alive before that is left out, because nobody
    knows; 505 remain at three years, 2 of Canada's 40 training patients among them. That makes
    deaths look more frequent than they are, and scores cannot be compared with FLamby's. Licences:
    MIT (FLamby), open access (GDC).

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        target: "death", or "survival": y[T, 2] holds, for all patients, the days that each was
            followed and 1 for a death or 0 for one lost from sight. Only a task of your own, whose
            loss reads both columns, makes sense of it.
        years: the horizon of "death".
        scale: "pooled" standardises features by all training patients, "per_client" each centre's
            patients by its own, "none" leaves FLamby's (age in years, the others 0 or 1).

    Raises:
        InvalidInputError: no such file, one that is not this table, or a horizon within which
            nobody dies, or beyond which nobody is seen.

    References:
        Ogier du Terrail et al. 2022, "FLamby" (NeurIPS Datasets and Benchmarks), Fed-TCGA-BRCA;
        Liu et al. 2018, "An integrated TCGA pan-cancer clinical data resource" (Cell 173).
    """
    one_of("target", target, ("death", "survival"))
    number("years", years, above=0)
    table, fold, center = _tcga_tables(folder)
    names = [name for name in table.columns if name not in ("pid", "E", "T")]
    raw = np.stack([numeric(table, name) for name in names], axis=1)
    days = numeric(table, "T")
    died = numeric(table, "E") == 1
    owner = np.array(REGIONS)[center]
    train = fold == "train"
    y = np.stack([days, died], axis=1)
    num_classes = None
    notes: dict[str, Any] = {"features": names}
    if target == "survival":
        caution(
            "y of tcga_brca holds (days, death) with target='survival': a regression would take "
            "the days of patients who were lost from sight for the days of their deaths; say a "
            "task of your own."
        )
    else:
        known, dead = _at_horizon(days, died, years)
        notes["said"] = (
            f"{(~known).sum():,} of {len(known):,} patients were left out: alive when they were "
            f"lost from sight within {years:g} years.",
        )
        raw, owner, train, y = (part[known] for part in (raw, owner, train, dead.astype(int)))
        num_classes = 2
        notes["labels"] = ["lives", "dies"]
    return parted(
        scaled(table.name, raw, train, scale, owner),
        y,
        train,
        columns={"center": owner},
        natural="center",
        num_classes=num_classes,
        notes=notes,
    )


def _at_horizon(days: HostArray, died: HostArray, years: float) -> tuple[HostArray, HostArray]:
    """Who is known to be alive or dead after so many years, and who is dead: bool[T] each."""
    horizon = years * DAYS_A_YEAR
    dead = died & (days <= horizon)
    known = dead | (days > horizon)
    require(
        bool(dead.any() and (known & ~dead).any()),
        f"Expected years={years!r} to leave patients who died before and who lived on.",
    )
    return known, dead


def _tcga_tables(folder: str | None) -> tuple[Table, HostArray, HostArray]:
    """The patients of FLamby's split: their table, "train" or "test", and centre 0 to 5."""
    origin = "FLamby's repository (github.com/owkin/FLamby, flamby/datasets/fed_tcga_brca)"
    path, split = (
        files.locate(folder, "tcga_brca", [name], origin=origin)
        for name in ("brca.csv", "train_test_split.csv")
    )
    table = read_table(path)
    folds = read_table(split)
    require(
        len(table.columns) == TCGA_FEATURES + 3 and {"pid", "E", "T"} <= table.columns.keys(),
        f"Expected {path} to have columns pid, E, T and {TCGA_FEATURES} features, got "
        f"{list(table.columns)}.",
    )
    require(
        set(folds.columns) == {"pid", "fold", "fold2"},
        f"Expected {split} to have columns pid, fold and fold2, got {list(folds.columns)}.",
    )
    # the patients in the order of the split; eight of the table are in no fold
    place = {patient: row for row, patient in enumerate(table.columns["pid"])}
    unknown = [patient for patient in folds.columns["pid"] if patient not in place]
    require(not unknown, f"Expected {path} to hold the patients of {split}, but not {unknown[:1]}.")
    rows = np.array([place[patient] for patient in folds.columns["pid"]])
    chosen = Table(
        name=table.name,
        columns={name: cells[rows] for name, cells in table.columns.items()},
        lines=table.lines[rows],
    )
    known = {f"{part}_{center}" for part in ("train", "test") for center in range(len(REGIONS))}
    require(
        set(folds.columns["fold2"]) == known,
        f"Expected column 'fold2' of {split} to hold {sorted(known)}.",
    )
    center = np.array([int(fold[-1]) for fold in folds.columns["fold2"]])
    return chosen, folds.columns["fold"], center
