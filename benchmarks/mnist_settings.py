"""The five MNIST settings on which contribution measures are compared, as federations.

1 same size, same distribution
2 same size, different distributions: 80 % of two digits belong to a client or two
3 different sizes
4 noisy labels
5 noisy features

Clients stand on five rungs: of 10 clients (GTG-Shapley), 2g and 2g + 1 are on rung g; of 5 (Song),
client g is. Rung g gives sizes in ratio 2 + g in setting 3 (GTG-Shapley's 10, 10, 15, 15, ..., 30,
30 % sum to 200 %, so they are taken as ratios), 5 g % of wrong labels in setting 4, and Gaussian
noise of standard deviation 0.05 g, clipped to [0, 1], in setting 5 (from Song's code; GTG-Shapley
does not define its "X % noise").

References:
    Song, Tong, Wei 2019, "Profit allocation for federated learning". Liu et al. 2022, "GTG-Shapley:
    efficient and accurate participant contribution evaluation in federated learning".
"""

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.data.corrupt import Corruption, corrupt, feature_noise, label_noise
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.partition import iid, label_pairs, quantity
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.sources import mnist

SETTINGS = {
    1: "same size, same distribution",
    2: "same size, different distributions",
    3: "different sizes",
    4: "noisy labels",
    5: "noisy features",
}
RUNGS = 5
GTG_IMAGES = 10_840  # of GTG-Shapley, 1,084 a client; Song deals out all 54,210


def mnist_pool(
    folder: str | None, *, images: int | None = GTG_IMAGES, flat: bool = False, seed: int = 0
) -> Pool:
    """MNIST as the settings use it: equally many images of each digit, and 892 test images a digit.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        images: training images, a multiple of 10; all 54,210 (5,421 a digit) if None.
        flat: False for [28, 28, 1], True for 784 features a row.
        seed: decides which images.
    """
    return mnist(folder=folder, flat=flat, balanced=True, train_limit=images, seed=seed)


def mnist_setting(
    pool: Pool,
    setting: int,
    *,
    num_clients: int = 10,
    seed: int = 0,
    validation: float = 0.0,
    unequal_noisy_labels: bool = False,
) -> FederatedData:
    """The federation of one setting.

    Args:
        pool: what `mnist_pool` gave, or another pool of images in [0, 1].
        setting: 1 to 5, see `SETTINGS`.
        num_clients: 5, 10, or another multiple of 5.
        seed: decides who gets which rows and what is noisy.
        validation: the part of the test set on which coalitions are valued; the rest is for
            reports. If 0, the whole test set serves both.
        unequal_noisy_labels: whether setting 4 has the sizes of setting 3: GTG-Shapley's text says
            so, its title says the contrary.

    Raises:
        InvalidInputError: no such setting, or clients that do not stand evenly on the rungs.
    """
    integer("setting", setting, least=1, most=len(SETTINGS))
    integer("num_clients", num_clients, least=RUNGS)
    require(
        num_clients % RUNGS == 0, f"Expected num_clients={num_clients} to be a multiple of {RUNGS}."
    )
    rungs = np.arange(num_clients) * RUNGS // num_clients
    partition = iid(num_clients=num_clients)
    if setting == 2:
        partition = label_pairs(num_clients=num_clients, major=0.8)
    elif setting == 3 or (setting == 4 and unequal_noisy_labels):
        partition = quantity(ratios=tuple((2.0 + rungs).tolist()))
    data = federate(pool, partition, seed=seed, validation=validation)
    return corrupt(data, _noise(setting, rungs.tolist()), seed=seed)


def _noise(setting: int, rungs: list[int]) -> list[Corruption]:
    """The corruptions of settings 4 and 5, none on rung 0; none at all in the others."""
    noisy = [(client, 0.05 * rung) for client, rung in enumerate(rungs) if rung]
    if setting == 4:
        return [label_noise(client=client, rate=rate) for client, rate in noisy]
    if setting == 5:
        return [feature_noise(client=at, variance=sd**2, low=0.0, high=1.0) for at, sd in noisy]
    return []
