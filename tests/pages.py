"""Pages of text as tests read them: their blocks of code, and whether output is what they print."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (
    "README.md",
    "docs/own_data.md",
    "docs/privacy.md",
    "docs/tasks_and_models.md",
    "docs/vertical.md",
    "docs/encrypted_training.md",
    "docs/transfer.md",
    "docs/tutorials/first_run.md",
    "docs/tutorials/own_data_and_model.md",
    "docs/tutorials/a_study.md",
    "docs/tutorials/paying_a_federation.md",
    "docs/tutorials/vertical.md",
)
NUMBER = re.compile(r"[-+]?\d[\d,]*\.\d+(?:e[-+]\d+)?|(?<=\.)\d+")
SECONDS = re.compile(r"[\d.]+ s\b")
HASH = re.compile(r"\b[0-9a-f]{64}\b")
RULE = re.compile("─+")


class Block(NamedTuple):
    """A block of code on a page.

    Attributes:
        language: "python", "toml", or "" for commands and output.
        text: what it holds.
        printed: what the page says it prints; "" where it says nothing.
    """

    language: str
    text: str
    printed: str

    @property
    def file(self) -> str:
        """The file that it is, by its first line, such as `# nets.py`; "" if it is none."""
        match = re.match(r"# (\w+\.(?:py|toml))\n", self.text)
        if match is None:
            return ""
        return match[1]

    @property
    def commands(self) -> list[str]:
        """The words after `fedjax-shap` of each of its lines, without comments."""
        lines = [line.partition("  #")[0].split() for line in self.text.splitlines()]
        return [" ".join(words[1:]) for words in lines if words[:1] == ["fedjax-shap"]]


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, in order; what the page prints belongs to the block before."""
    text = (ROOT / page).read_text(encoding="utf-8")
    block = r"^```(\w*)\n(.*?)^```\n"
    for match in re.finditer(rf"{block}(?:\nprints\n\n```\n(.*?)^```\n)?", text, re.S | re.M):
        yield Block(match[1], match[2], match[3] or "")


def require_printed(output: str, printed: str) -> None:
    """Fails unless `output` holds what a page prints, words as they are and numbers within 2 %.

    Line breaks, widths of columns and how many seconds something took do not matter.
    """
    seen = _plain(output)
    said = _plain(printed)
    masked = NUMBER.sub("#", seen)
    start = masked.find(NUMBER.sub("#", said))
    assert start >= 0, f"Expected the output to hold\n{printed}\nbut it is\n{output}"
    before = masked[:start].count("#")
    expected = _numbers(said)
    numbers = _numbers(seen)[before : before + len(expected)]
    np.testing.assert_allclose(numbers, expected, rtol=0.02, atol=2e-3)


def _plain(text: str) -> str:
    """The words of a text, one space apart; how long something took, and hashes, left aside."""
    return " ".join(RULE.sub("", HASH.sub("HASH", SECONDS.sub("SECONDS", text))).split())


def _numbers(text: str) -> np.ndarray:
    """The numbers of a text that have a fraction."""
    return np.array([float(one.replace(",", "")) for one in NUMBER.findall(text)])
