"""What every figure keeps: the widths of columns, type of 7 points, no text cut or on another."""

import itertools
import re

from matplotlib.text import Text

from fedjax_shap.report import style

TOUCH = 1.0  # points by which the boxes of two texts may overlap
NUMBER = re.compile(r"[-−]?[\d,]*\.?\d+")
EDGE = 1.5  # points by which a text may stand beyond the figure's edge


def texts_of(figure):
    """The texts that are seen, with what they are drawn on."""
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and _drawn(figure, text)
    ]


def _drawn(figure, text):
    """Whether a text is inside what is drawn: ticks beyond an axis's ends are not."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if not axes.axison and text in (axes.title, axes._left_title):
                continue
            labels = [
                label
                for tick in (*axis.majorTicks, *axis.minorTicks)
                for label in (tick.label1, tick.label2)
            ]
            if text in labels:
                return text in _tick_labels(axis)
    return True


def _tick_labels(axis):
    low, high = sorted(axis.get_view_interval())
    reach = 1e-9 * max(abs(low), abs(high))
    return [
        label
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
        if low - reach <= tick.get_loc() <= high + reach
    ]


def check(figure):
    """Fails where a figure breaks a rule, in one sentence a rule."""
    width = figure.get_figwidth()
    assert width in (style.ONE, style.TWO), f"{width} inches are no column"
    figure.draw_without_rendering()
    texts = texts_of(figure)
    small = {text.get_text(): text.get_size() for text in texts if text.get_size() < style.SMALL}
    assert not small, f"type below {style.SMALL} points: {small}"
    assert figure.get_label(), "no caption"
    scale = figure.dpi / 72
    boxes = {text: text.get_window_extent() for text in texts}
    page = figure.bbox.padded(EDGE * scale)
    cut = [
        text.get_text()
        for text, box in boxes.items()
        if not (page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1)
    ]
    assert not cut, f"cut: {cut}"
    check_labels(figure)
    slanted = [text for text in texts if text.get_rotation() % 90]
    for one, other in itertools.combinations(texts, 2):
        if one in slanted and other in slanted:
            continue  # boxes of slanted names overlap beside each other
        a, b = boxes[one], boxes[other]
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        on_top = across > TOUCH * scale and down > TOUCH * scale
        assert not on_top, f"{one.get_text()!r} lies on {other.get_text()!r}"


def check_labels(figure):
    """Fails where the numbers of an axis are not named, here or at another panel."""
    for axes in figure.axes:
        for name in ("x", "y"):
            axis = getattr(axes, f"{name}axis")
            named = any(getattr(other, f"{name}axis").get_label_text() for other in figure.axes)
            numbers = [one for one in axis.get_ticklabels() if NUMBER.fullmatch(one.get_text())]
            assert named or not numbers, f"an axis of numbers without a name: {numbers}"
