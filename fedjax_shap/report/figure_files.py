"""Figures as files: the formats of papers and pages, each with its caption inside or beside it."""

import io
import threading
import warnings
from pathlib import Path
from typing import IO, Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from fedjax_shap.atomic import replacing

DPI = 200  # dots an inch, of png files
FORMATS = (".png", ".svg", ".pdf")
CAPTION = ".txt"  # the ending of a caption's file
# under which name each format keeps what a file shows
_DESCRIPTION = {"png": "Description", "svg": "Description", "pdf": "Subject"}
# texts are texts: type can be changed, searched and read out
_TEXTS: Any = {"svg.fonttype": "none", "svg.hashsalt": "fedjax_shap", "pdf.fonttype": 42}
_SETTINGS = threading.Lock()  # matplotlib's are those of the process


def as_svg(figure: Figure) -> str:
    """A figure as the text of an SVG file: texts are texts, nothing behind them, no date.

    The font is whatever the reader's machine has.
    """
    content = io.StringIO()
    _draw(figure, content, "svg", transparent=True)
    return content.getvalue()


def write_png(figure: Figure, file: IO[bytes], *, dpi: int = DPI) -> None:
    """Draws a figure as points into an open file.

    Args:
        figure: what to draw.
        file: where to.
        dpi: dots an inch.
    """
    _draw(figure, file, "png", dpi=dpi)


def save(figure: Figure, path: Path, *, dpi: int = DPI) -> None:
    """Writes a figure in the format that its name ends in, its caption as the file's description.

    The file is whole or absent.

    Args:
        figure: what to write; its caption is what `style.captioned` gave it.
        path: where to, ending in .png, .svg or another format of matplotlib.
        dpi: dots an inch, of png files.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as file:
        _draw(figure, file, path.suffix.removeprefix(".").lower(), dpi=dpi)


def save_all(figure: Figure, path: Path) -> list[Path]:
    """Writes a figure in all formats of `FORMATS`, and its caption as a text beside them.

    Args:
        figure: what to write.
        path: of one of the files; the others differ in its ending.

    Returns:
        The files written, the one asked for first.

    Raises:
        OSError: a file cannot be written.
    """
    written = dict.fromkeys([path, *(path.with_suffix(ending) for ending in FORMATS)])
    for one in written:
        save(figure, one)
    caption = path.with_suffix(CAPTION)
    with replacing(caption) as file:
        file.write(f"{figure.get_label()}\n".encode())
    return [*written, caption]


def _draw(figure: Figure, file: IO[Any], kind: str, **how: Any) -> None:
    """Draws a figure into an open file of a format: with its caption, and without a date."""
    metadata: dict[str, Any] = {}
    if kind == "svg":
        metadata["Date"] = None
    if kind == "pdf":
        metadata["CreationDate"] = None
    caption = str(figure.get_label())
    if caption and kind in _DESCRIPTION:
        metadata[_DESCRIPTION[kind]] = caption
    with _SETTINGS, rc_context(_TEXTS), warnings.catch_warnings():
        # a letter that no font has is drawn as a box; names are in full in the tables
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(file, format=kind, metadata=metadata or None, **how)
