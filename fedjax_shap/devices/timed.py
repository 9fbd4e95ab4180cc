"""Local steps as many as a device manages in a time budget, K_i = floor(T * speed_i)."""

from collections.abc import Sequence

import numpy as np

from fedjax_shap._validate import integer, number, require
from fedjax_shap.devices.device import Profile, steps_per_second
from fedjax_shap.learning.local import MOST_STEPS
from fedjax_shap.learning.steps import Steps, as_steps
from fedjax_shap.typing import HostArray, Key

# 3600 s of 100 steps an hour are 100 steps, whichever way their quotient was rounded
ROUNDING = 1e-9


def timed(
    *,
    seconds: float,
    most: int | None = None,
    profiles: Sequence[Profile],
    flops_per_step: HostArray | float,
) -> Steps:
    """As many whole steps as each device manages in a time budget: K_i = floor(T * speed_i).

    The budget is for training alone; messages are sent outside of it.

    Args:
        seconds: T > 0, the budget of one round.
        most: the most steps of a client, >= 0, such as a limit to what is simulated; none if None.
        profiles: the C clients' devices.
        flops_per_step: floating-point operations of a local step of each client, float[C] or one
            number; used where a profile gives its speed in them.

    Raises:
        InvalidInputError: a bad number, profiles for another number of clients, or more steps than
            an int32 holds.
    """
    number("seconds", seconds, above=0)
    if most is not None:
        integer("most", most, least=0, most=MOST_STEPS)
    speeds = steps_per_second(profiles, flops_per_step)

    def steps(key: Key, sizes: HostArray, steps_per_epoch: HostArray, num_rounds: int) -> HostArray:
        require(
            len(speeds) == len(sizes),
            f"Expected profiles to have one entry for each of the {len(sizes)} clients, got "
            f"{len(speeds)}.",
        )
        done = np.floor(seconds * speeds * (1 + ROUNDING))
        if most is not None:
            done = np.minimum(done, most)
        return np.tile(as_steps(done, "seconds", seconds), (num_rounds, 1))

    return steps
