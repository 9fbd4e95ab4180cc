"""Formulas as MathML, which browsers draw themselves: no script and no font is loaded for them."""

import re

from docutils.nodes import Element, SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer `mathml`, which conf.py chooses."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def inline(translator: HTML5Translator, node: Element) -> None:
    """Writes a formula in a line of text."""
    translator.body.append(mathml(node, as_block=False))
    raise SkipNode


def block(translator: HTML5Translator, node: Element) -> None:
    """Writes a formula on a line of its own, which scrolls where it is wider than the page."""
    translator.body.append(f'<div class="formula">{mathml(node, as_block=True)}</div>')
    raise SkipNode


def mathml(node: Element, *, as_block: bool) -> str:
    """A formula as MathML; one that cannot be written fails the build."""
    try:
        return plain_fences(str(tex2mathml(node.astext(), as_block=as_block)))
    except MathError as error:
        logger.warning("%s: %s", error, node.astext(), location=node)
        return node.astext()


def plain_fences(written: str) -> str:
    """Braces and bars of one height, without space, and a set difference that fonts have."""
    fence = r'<mo(?: stretchy="false")?>([{}|‖])</mo>'
    plain = r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>'
    return re.sub(fence, plain, written).replace("⧵", "∖")
