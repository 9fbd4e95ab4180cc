"""What a coordinated training cost its parties: seconds, energy and bytes at prices."""

from collections.abc import Sequence

from fedjax_shap._validate import listed, number, of_kind, one_of, require, texts
from fedjax_shap.economics.cost import Bill, Price, bill
from fedjax_shap.protocols.coordinated import Coordinated
from fedjax_shap.protocols.transfer import Trained


def billed(
    trained: Coordinated | Trained,
    parties: Sequence[str] | None = None,
    *,
    watts: float = 0.0,
    energy_price: Price = 0,
    time_price: Price = 0,
    traffic_price: Price = 0,
    fixed: Price = 0,
) -> Bill:
    """What each party's machine cost it, by the seconds it computed and the bytes it moved.

    Args:
        trained: what `coordinated` or `encrypted_transfer` gave.
        parties: whose bill, in this order, each once. By default the hosts, which are the players
            of the vertical game; of a transfer the source, then the target.
        watts: the power that a machine draws while it computes.
        energy_price: money a kWh.
        time_price: money an hour.
        traffic_price: money a GB of 10^9 bytes, sent and received.
        fixed: money a party.

    Raises:
        InvalidInputError: no party, no such party, one named twice, or what is no price.
    """
    of_kind("trained", trained, Coordinated | Trained, "fs.protocols.coordinated(blocks, y)")
    names: Sequence[str] = trained.session.parties
    if isinstance(trained, Coordinated):
        names = trained.session.hosts
    if parties is not None:
        names = texts("parties", parties)
    require(
        len(set(names)) == len(names) > 0,
        f"Expected parties to name parties, each once, got {listed(names) or 'none'}.",
    )
    for name in names:
        one_of("party", name, trained.seconds, "a party of this training")
    number("watts", watts, least=0)
    seconds = [trained.seconds[name] for name in names]
    traffic = trained.traffic
    count = len(names)
    return bill(
        joules=[watts * one for one in seconds],
        seconds=seconds,
        traffic=[traffic[name] for name in names],
        energy_prices=[energy_price] * count,
        time_prices=[time_price] * count,
        traffic_prices=[traffic_price] * count,
        fixed=[fixed] * count,
    )
