"""Federations for transfer: sources are valued by what they teach a target with few labels."""

from fedjax_shap._validate import cautions, of_kind, require
from fedjax_shap.data.transfer import TransferData
from fedjax_shap.games.game import Game
from fedjax_shap.games.transfer import measure_of, transfer
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.federation import game_keywords
from fedjax_shap.pipeline.loaded import game_seed
from fedjax_shap.pipeline.settings.setting import PermanentMember, Setting, valued_by

SECTIONS_USED = ("data", "model", "game", "estimator", "costs", "economics", "plan")
SPLITS = ("validation", "member_test", "validation_users")  # of the rows of members


def check_transfer(config: Config) -> None:
    """Refuses shares of rows to be held out: the target's test rows value coalitions."""
    for keyword in SPLITS:
        share = config.value("data", keyword)
        require(
            share == 0,
            f"Expected data.{keyword}={share} to be left out with game.name="
            f"{config.sections['game'].name!r}, where the target's test rows value coalitions.",
        )


def transfers(config: Config) -> Setting:
    """The federation of a configuration whose game is `transfer`."""
    repeats = config.value("estimator", "repeats")
    key = game_seed(config)
    settings = game_keywords(config)
    with cautions() as notes:
        data: TransferData = config.build("data")
        of_kind("data", data, TransferData, "transfers.credit_transfer()")
        # refuse what is wrong before anything is trained
        game: Game = transfer(data, config.build("model"), key=key, **settings)
    measure = measure_of(data, settings.get("metric"))

    return Setting(
        kind="transfer",
        players=data.names,
        sizes=data.sizes,
        metric=measure.name,
        metric_label=measure.label,
        metric_sign=measure.sign,
        attribution=valued_by(lambda: game, key, noisy=repeats > 1, repeats=repeats),
        grand_is_exact=repeats == 1,
        notes=(*data.said, *notes, _said(data)),
        permanent=PermanentMember(data.target),
    )


def _said(data: TransferData) -> str:
    """What V(empty) is, and who shares how many users."""
    shared = ", ".join(f"{name} {len(pairs)}" for name, pairs in zip(data.names, data.pairs))
    return (
        f"{data.target!r} is in every coalition and is no player; V(empty) is what it reaches "
        f"alone with its {len(data.labelled)} labels. Pairs of rows with it: {shared}."
    )
