"""Whatever a configuration says, a run ends in an exit code and a sentence, never in a traceback.

FEDJAX_SHAP_FUZZ says how many configurations are tried, FEDJAX_SHAP_FUZZ_SEED from which on, and
FEDJAX_SHAP_FUZZ_TRAIN=1 that those that are in order are trained as well.
"""

import datetime
import json
import os
import traceback
from pathlib import Path

import numpy as np
import pytest
from console import called

from fedjax_shap.pipeline.manifest import shipped

COUNT = int(os.environ.get("FEDJAX_SHAP_FUZZ", "150"))
FIRST = int(os.environ.get("FEDJAX_SHAP_FUZZ_SEED", "0"))
TRAIN = os.environ.get("FEDJAX_SHAP_FUZZ_TRAIN") == "1"
BASE = {
    "data": {"name": "csv", "path": "rows.csv", "label": "y", "client": "site"},
    "algorithm": {"max_rounds": 1},
}
NUMBERS = [-1.0, 0.0, 0.1, 0.5, 1.0, 2.0, 1e9, float("nan"), float("inf"), -1e300, 1e-300]
COUNTS = [-1, 0, 1, 1, 2, 2, 3, 4, 7]
if not TRAIN:  # nobody waits for a million rounds
    COUNTS.append(10**6)
WORDS = [
    *("", "a", "north", "y", "site", "age", "natural", "accuracy", "rmse", "f1", "1.5", "1e400"),
    *("rows.csv", "absent.csv", ".", "math:sqrt", "os:getcwd", "no.such:thing", "a:b:c", ":", "\\"),
    *("standard_error(0.1)", "standard_error(", "wall_clock(nan)", "x" * 200, "🙂", "[/b] $x$"),
]
OWN = [
    *("math:sqrt", "os:getcwd", "builtins:len", "builtins:dict", "builtins:str", "math:pi"),
    *("collections:Counter", "json:dumps", "no.such:thing"),
]
WRONG = [
    *(
        "text",
        -1,
        1.5,
        True,
        [],
        [[]],
        [1, "a"],
        {},
        {"name": 1},
        {"name": "no such"},
        [{}],
        10**30,
    ),
    *(datetime.date(2020, 1, 1), datetime.time(1, 2), "\x1b[31m", "a\nb"),
]


class TrainedError(Exception):
    """A configuration was in order: its training would begin."""


def drawn(random: np.random.Generator, kind: str):
    """A value of a keyword's type, in range or not; sometimes one of another type."""
    if random.random() < 0.12:
        return WRONG[random.integers(len(WRONG))]
    one = choice(random, alternatives(kind))
    if one.startswith("'"):
        return one.strip("'")
    if one.startswith("tuple["):
        inner = one[len("tuple[") : -1]
        kinds = [inner.removesuffix(", ...")] * int(random.integers(0, 5))
        if not inner.endswith("..."):
            kinds = inner.split(", ")
        return [drawn(random, kind) for kind in kinds]
    if one.startswith("dict["):
        return {choice(random, WORDS): choice(random, [0, 1.5, "a"])}
    values = {"int": COUNTS, "float": NUMBERS, "bool": [True, False]}.get(one, WORDS)
    return choice(random, values)


def alternatives(kind: str) -> list[str]:
    """The types that a type allows, None aside."""
    parts = [""]
    depth = 0
    for letter in kind:
        depth += (letter == "[") - (letter == "]")
        if letter == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip() != "None"]


def choice(random: np.random.Generator, values):
    """One of some values."""
    return values[int(random.integers(len(values)))]


def configuration(random: np.random.Generator) -> dict:
    """A configuration that names what there is, more or less."""
    raw: dict = {name: dict(section) for name, section in BASE.items()}
    for name, section in shipped().items():
        if random.random() < 0.85:
            continue
        entry = choice(random, sorted(section.entries))
        if name == "data" and random.random() < 0.7:
            entry = "csv"
        said = {"name": entry}
        keywords = section.keywords(entry)
        if random.random() < 0.05:  # a function of one's own, which gives what it gives
            said["name"] = choice(random, OWN)
            keywords = section.shared
        for keyword, about in keywords.items():
            needed = about.default is None
            if random.random() < 0.15 + 0.8 * needed:
                said[keyword] = drawn(random, about.type)
        if name == "data" and entry == "csv":
            said = {**BASE["data"], **said, "path": "rows.csv"}
        raw[name] = [said] if name == "corrupt" else said
    if random.random() < 0.25:
        spoil(random, raw)
    return raw


def spoil(random: np.random.Generator, raw: dict) -> None:
    """Says something that no configuration says."""
    where = choice(random, [*raw, *shipped(), "title", "seed", "no such section"])
    if isinstance(raw.get(where), dict) and random.random() < 0.6:
        raw[where][choice(random, ["name", "nmae", "alpha", "🙂"])] = choice(random, WRONG)
    else:
        raw[where] = choice(random, WRONG)


def toml(value) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        fields = (f"{json.dumps(key)} = {toml(one)}" for key, one in value.items())
        return f"{{{', '.join(fields)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return repr(value)


def options(random: np.random.Generator) -> list[str]:
    """Fields that are set on the command line, now and then."""
    if random.random() < 0.8:
        return []
    name = choice(random, sorted(shipped()))
    section = shipped()[name]
    keywords = section.keywords(choice(random, sorted(section.entries)))
    keyword = choice(random, ["name", *keywords])
    kind = keywords[keyword].type if keyword in keywords else "str"
    return [f"--{name}.{keyword}", str(drawn(random, kind))]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a small table; training ends before it begins, unless it is asked for."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = [
        f"{site},{random.normal():.3f},{random.normal():.3f},{'yn'[random.integers(2)]}"
        for site in ("north", "south", "west")
        for _ in range(12)
    ]
    Path("rows.csv").write_text("\n".join(["site,age,income,y", *rows]) + "\n")

    def begun(*_, **__):
        raise TrainedError

    if not TRAIN:
        monkeypatch.setattr("fedjax_shap.pipeline.run.attribution_of", begun)
    return tmp_path


def wrong_with(place: int, here: Path, capsys) -> tuple[str, bool]:
    """(What went wrong with a configuration, or nothing; whether it was in order)."""
    random = np.random.default_rng(place)
    text = "\n".join(
        f"{json.dumps(name)} = {toml(said)}" for name, said in configuration(random).items()
    )
    Path("run.toml").write_text(text, encoding="utf-8")
    out = here / f"out-{place}"
    command = ["run", "run.toml", "--out", str(out), *options(random)]
    described = f"configuration {place}: {command[4:]}\n{text}\n"
    try:
        code, _, wrong = called(capsys, *command)
    except TrainedError:
        return "", True
    except Exception:
        return described + traceback.format_exc()[-1500:], False
    sentences = [line for line in wrong.splitlines() if not line.startswith("warning: ")]
    if code == 2:
        one = len(sentences) == 1 and sentences[0].startswith("error: ") and sentences[0][-1] == "."
        fine = one and not (out / "result.json").exists()
    else:
        fine = code in (0, 3) and json.loads((out / "result.json").read_text())["schema"] == 1
    return "" if fine else f"{described}{code}: {wrong}", code != 2


@pytest.mark.filterwarnings("ignore")
def test_every_configuration_ends_in_a_code_and_a_sentence(here, capsys):
    tried = [wrong_with(place, here, capsys) for place in range(FIRST, FIRST + COUNT)]
    wrong = [said for said, _ in tried if said]
    assert not wrong, f"{len(wrong)} of {COUNT}:\n" + "\n\n".join(wrong)
    in_order = sum(fine for _, fine in tried)
    assert in_order >= COUNT // 50, "too few configurations are in order to try anything"
