"""The kinds of federation by the name of their game: what configurations and the command line
read.
"""

from fedjax_shap._validate import of_kind
from fedjax_shap.games.reconstructed import reconstructed
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import silo
from fedjax_shap.games.statistics import merged
from fedjax_shap.games.support_vectors import support_vectors
from fedjax_shap.games.transfer import transfer
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.privacy import check_records_alone
from fedjax_shap.pipeline.schema import SECTIONS
from fedjax_shap.pipeline.settings.cross_device import (
    in_one_round,
    in_rounds,
    whole_rounds,
    whole_uploads,
)
from fedjax_shap.pipeline.settings.cross_silo import cross_silo
from fedjax_shap.pipeline.settings.setting import Setting, SettingKind
from fedjax_shap.pipeline.settings.statistics import SECTIONS_USED, statistics
from fedjax_shap.pipeline.settings.support_vectors import SECTIONS_USED as OF_KERNEL_MACHINES
from fedjax_shap.pipeline.settings.support_vectors import kernel_machines
from fedjax_shap.pipeline.settings.transfer import SECTIONS_USED as OF_TRANSFERS
from fedjax_shap.pipeline.settings.transfer import check_transfer, transfers
from fedjax_shap.pipeline.settings.vertical import (
    OF_RUN,
    OF_VERTICAL,
    vertical_federation,
    vertical_game,
    vertical_run,
    vertical_run_game,
)
from fedjax_shap.pipeline.vertical_data import check_vertical

SETTINGS: dict[str, SettingKind] = {
    "silo": SettingKind(build=cross_silo, game=silo, repeats=True),
    "rounds": SettingKind(build=in_rounds, game=rounds, check=whole_rounds, takes_methods=True),
    "reconstructed": SettingKind(build=in_one_round, game=reconstructed, check=whole_uploads),
    "statistics": SettingKind(
        build=statistics,
        game=merged,
        check=check_records_alone,
        sections=SECTIONS_USED,
        merges=True,
    ),
    "support_vectors": SettingKind(
        build=kernel_machines, game=support_vectors, sections=OF_KERNEL_MACHINES
    ),
    "transfer": SettingKind(
        build=transfers,
        game=transfer,
        check=check_transfer,
        sections=OF_TRANSFERS,
        repeats=True,
        transfers=True,
    ),
    "vertical": SettingKind(
        build=vertical_federation,
        game=vertical_game,
        check=check_vertical,
        sections=OF_VERTICAL,
        vertical=True,
    ),
    "vertical_run": SettingKind(
        build=vertical_run,
        game=vertical_run_game,
        check=check_vertical,
        sections=OF_RUN,
        vertical=True,
    ),
}


def kind_of(config: Config) -> SettingKind:
    """The kind of federation that a configuration names."""
    kind: SettingKind = SECTIONS["game"].entries[config.sections["game"].name]
    return kind


def setting_of(config: Config) -> Setting:
    """The federation that a configuration describes; see `Setting`."""
    setting = kind_of(config).build(config)
    of_kind("setting", setting, Setting, "the build of a SettingKind")
    return setting
