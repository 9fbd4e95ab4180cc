"""What a coordinated training cost its parties: seconds, energy and bytes at prices."""

from fedjax_shap._validate import number, one_of
from fedjax_shap.economics.cost import Bill, Price, bill
from fedjax_shap.protocols.coordinated import Coordinated


def billed(
    trained: Coordinated,
    parties: tuple[str, ...] | None = None,
    *,
    watts: float = 0.0,
    energy_price: Price = 0,
    time_price: Price = 0,
    traffic_price: Price = 0,
    fixed: Price = 0,
) -> Bill:
    """What each party's machine cost it, by the seconds it computed and the bytes it moved.

    Args:
        trained: what `coordinated` gave.
        parties: whose bill, in this order: the players of the vertical game by default, the hosts.
        watts: the power that a machine draws while it computes.
        energy_price: money a kWh.
        time_price: money an hour.
        traffic_price: money a GB of 10^9 bytes, sent and received.
        fixed: money a party.

    Raises:
        InvalidInputError: no such party, or what is no price.
    """
    names = parties or trained.session.hosts
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
