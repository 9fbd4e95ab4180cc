"""A configuration whose members are valued over seeds and paid, without a run's learning curves."""

from typing import NamedTuple

from fedjax_shap._validate import require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.payment import pay
from fedjax_shap.pipeline.run import attribution_of
from fedjax_shap.pipeline.settings.registry import setting_of
from fedjax_shap.pipeline.settings.setting import Setting
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.typing import HostArray
from fedjax_shap.valuation.options import Options


class Valued(NamedTuple):
    """A federation whose members were valued and paid.

    Attributes:
        setting: the federation.
        attribution: the values and their standard errors.
        utilities: float64[2^P, 1 + resamples, k] of k seeds, coalitions by their rank.
        settlement: the payments.
    """

    setting: Setting
    attribution: Attribution
    utilities: HostArray
    settlement: Settlement


def valued(config: Config) -> Valued:
    """Values and pays the members of a configuration, without the learning curves of a run."""
    setting = setting_of(config)
    kept: dict[str, UtilityStore] = {}

    def store(part: str, fingerprint: str, /) -> UtilityStore:
        kept[part] = UtilityStore(fingerprint=fingerprint)
        return kept[part]

    found = attribution_of(config, setting, Options(stores=store))
    payments = pay(config, setting, found, None)
    settled = payments.settlement
    require(settled is not None, "Expected values that a rule can divide by.")
    assert settled is not None
    utilities = kept["repeats"].read(all_subsets(len(setting.players)))
    return Valued(setting, found, utilities, settled)
