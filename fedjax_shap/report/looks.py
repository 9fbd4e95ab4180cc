"""What the methods of the field are called in figures, and the one colour that each has in all."""

import re
from typing import Any, NamedTuple

from fedjax_shap.report import style


class Look(NamedTuple):
    """How a method looks in every figure.

    Attributes:
        name: as the field writes it.
        color: of its lines, dots and bars.
        marker: of its dots.
        line: solid, dashed or dotted, as matplotlib says it.
    """

    name: str
    color: str
    marker: str = "o"
    line: str = "-"

    @property
    def of_line(self) -> dict[str, Any]:
        """What `Axes.plot` and `Axes.errorbar` take."""
        return {
            "color": self.color,
            "marker": self.marker,
            "linestyle": self.line,
            "label": style.plain(self.name),
        }


ALGORITHMS = {
    "fedavg": Look("FedAvg", style.DARK, "o"),
    "fedprox": Look("FedProx", style.OLIVE, "v"),
    "fednova": Look("FedNova", style.ORANGE, "s"),
    "scaffold": Look("SCAFFOLD", style.GREEN, "D"),
    "fedagrac": Look("FedaGrac", style.BLUE, "^"),
    "patent": Look("calibrated, patented form", style.RED, "P"),
    "fedsgd": Look("FedSGD", style.BROWN, "<"),
    "fedadam": Look("FedAdam", style.PURPLE, ">"),
    "fedyogi": Look("FedYogi", style.PINK, "h", "--"),
    "fedadagrad": Look("FedAdagrad", style.TEAL, "*", ":"),
}
IN_RUN = {
    "exact": Look("exact, all coalitions trained", style.BLACK, "o"),
    "exact, other training": Look("exact, another training", style.BLACK, "", "--"),
    "in-run exact": Look("FedSV, exact in each round", style.ORANGE, "s"),
    "MR": Look("MR", style.RED, "v"),
    "OR": Look("OR", style.GREEN, "^"),
    "GTG": Look("GTG-Shapley", style.PURPLE, "P"),
    "TMC": Look("TMC", style.TEAL, "D"),
    "leave-one-out": Look("leave-one-out", style.OLIVE, "<"),
    "individual": Look("each member alone", style.PINK, ">"),
    "at random": Look("random order", style.GREY, "", ":"),
}
ESTIMATORS = {
    "gaussian_process": Look("Gaussian process", style.BLUE, "o"),
    "regression_msr": Look("regression-adjusted MSR", style.PINK, "s"),
    "regression_msr, gaussian": Look("Gaussian process + MSR", style.BROWN, "h"),
    "msr": Look("MSR", style.RED, "v"),
    "svarm": Look("stratified SVARM", style.OLIVE, "<"),
    "svarm, plain": Look("SVARM", "#4b0082", "1"),
    "complementary": Look("complementary contributions", style.DARK, ">"),
    "complementary, neyman": Look("compl. contributions, Neyman", style.ORANGE, "^"),
    "ipss": Look("IPSS", style.GREY, "*"),
    "kernelshap": Look("KernelSHAP", style.GREEN, "X"),
    "unbiased kernelshap": Look("unbiased KernelSHAP", "#c51b8a", "x"),
    "kernelshap, unbiased": Look("unbiased KernelSHAP", "#c51b8a", "x"),
    "k-additive": Look("k-additive", "#a6761d", "d"),
    "kadditive": Look("k-additive", "#a6761d", "d"),
    "stratified svarm": Look("stratified SVARM", style.OLIVE, "<"),
    "tmc": Look("TMC", style.TEAL, "D"),
    "gtg": Look("GTG-Shapley", style.PURPLE, "P"),
    "permutation": Look("permutation sampling", style.BLACK, "p"),
}
LOOKS = {**ALGORITHMS, **IN_RUN, **ESTIMATORS}
_SETTING = re.compile(r"_(lam|eta)([\d.]+)")
_SYMBOLS = {"lam": "λ", "eta": "η"}


def look(method: str) -> Look:
    """How a method looks.

    Args:
        method: its name in code, where `_lam1.0` and `_eta0.01` stand for settings.

    Returns:
        Its look, its settings behind its name; grey for a method without one.
    """
    base = _SETTING.sub("", method)
    known = LOOKS.get(base, Look(base.replace("_", " "), style.GREY))
    settings = [f"{_SYMBOLS[key]} = {float(number):g}" for key, number in _SETTING.findall(method)]
    return known._replace(name=", ".join([known.name, *settings]))
