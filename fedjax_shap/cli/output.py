"""What the commands share: sentences on the terminal, and files that are whole."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from fedjax_shap._validate import require
from fedjax_shap.atomic import replacing, writable

if TYPE_CHECKING:  # it needs matplotlib, which help and refusals answer without
    from matplotlib.figure import Figure

FIGURES = (".png", ".svg", ".pdf")  # the endings of `--figure`


def say(sentence: str, file: TextIO | None = None) -> None:
    """Prints a sentence, broken between words on a narrow terminal and on one line elsewhere.

    Args:
        sentence: plain text, in which nothing is read as markup.
        file: where to; None for standard output.
    """
    console = Console(file=file)
    console.print(
        sentence,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=not console.is_terminal,
    )


def complain(sentence: str) -> None:
    """Prints why a command failed on standard error, on one line."""
    Console(stderr=True).print(
        f"error: {sentence}",
        style="red",
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
    )


def warn(sentence: str) -> None:
    """Prints on standard error what a user should know of a command that goes on all the same."""
    print(f"warning: {sentence}", file=sys.stderr)


def to_standard_output(text: str) -> None:
    """Writes text as it is; a reader such as `head` may stop early."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # without another target, the interpreter would complain when it closes standard output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write(content: bytes, path: str | None, argument: str = "out") -> None:
    """Writes to a file that is whole or absent.

    Args:
        content: what to write, in UTF-8.
        path: where to; None for standard output.
        argument: what `path` is called in a refusal.

    Raises:
        InvalidInputError: the file cannot be written.
    """
    if path is None:
        to_standard_output(content.decode())
        return
    with writable(argument, Path(path)), replacing(Path(path)) as file:
        file.write(content)


def require_figure(path: str | None) -> None:
    """Refuses a figure of an unknown kind before any work is done."""
    fits = path is None or Path(path).suffix.lower() in FIGURES
    require(fits, f"Expected figure={path!r} to end in {', '.join(FIGURES[:-1])} or {FIGURES[-1]}.")


def write_figure(figure: "Figure", path: str) -> None:
    """Writes the figure that `--figure` asked for.

    Raises:
        InvalidInputError: the file cannot be written.
    """
    from fedjax_shap.report import figure_files

    with writable("figure", Path(path)):
        figure_files.save(figure, Path(path))
