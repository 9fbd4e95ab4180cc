"""Misreports: federations in which a member misreports its data or its cost, and what rules pay for
it.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from fedjax_shap.audits.manipulation import split_table
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData, from_arrays
from fedjax_shap.data.partition import dirichlet
from fedjax_shap.data.sources import digits
from fedjax_shap.economics.claims import claims
from fedjax_shap.economics.cost import per_example
from fedjax_shap.economics.cost_cap import cap_costs
from fedjax_shap.economics.rules import RULES
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.repeated import repeated
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.least_core import least_core_values
from fedjax_shap.shapley.semivalue import semivalues
from fedjax_shap.typing import HostArray

REVENUE = 1000
OVERSTATED = (10, 50, 100)  # per cent of the cost
PARTS = {
    "halves": 0.5,
    "complements": 0.0,
    "copies": 1.0,
}  # the models of `economics.manipulation`, beside training
SAID = {"split": "appears as two halves", "copy": "appears twice", "repeat": "holds its rows twice"}


def misreported(data: FederatedData, way: str, member: int, seed: int) -> FederatedData:
    """The federation in which one member misreports its data: "split", "copy" or "repeat"; a new
    one comes last.
    """
    held = [data.client(each) for each in range(data.num_clients)]
    x, y = held[member]
    new = [*data.names, f"{data.names[member]} (2)"]
    if way == "repeat":
        held[member], new = (np.concatenate([x, x]), np.concatenate([y, y])), list(data.names)
    elif way == "copy":
        held.append((x, y))
    else:
        rows = np.random.default_rng([seed, member]).permutation(len(y))
        one, other = rows[: -(-len(y) // 2)], rows[-(-len(y) // 2) :]
        held[member] = (x[one], y[one])
        held.append((x[other], y[other]))
    return from_arrays(held, data.test, data.validation, names=new, num_classes=data.num_classes)


def tables(settings: dict[str, Any], data: FederatedData, rounds: int) -> HostArray:
    """float64[2^P, trainings]: the utility of every coalition under several seeds of training."""
    training = local(
        learning_rate=settings["learning_rate"],
        batch_size=settings["batch_size"],
        epochs=settings["epochs"],
    )
    key = jax.random.key(settings["seed"])
    game = silo(
        data,
        Training(linear(), training, fedavg(max_rounds=rounds), key=key),
        metric=settings["metric"],
    )
    return evaluate(
        repeated(game, settings["trainings"]),
        jax.random.fold_in(key, 1),
        all_subsets(data.num_clients),
    )


def valued(of: str, table: HostArray) -> HostArray:
    """float64[P, trainings]: the values that a rule divides by."""
    players = len(table).bit_length() - 1
    if of == "least_core":
        return least_core_values(all_subsets(players), table)
    last = np.eye(players)[-1]
    kinds: dict[str, Any] = {
        "shapley": "shapley",
        "banzhaf": "banzhaf",
        "leave_one_out": lambda count: last,
    }
    return semivalues(table, kinds[of]) if of else np.zeros_like(table[:players])


def paid(
    name: str,
    table: HostArray,
    costs: Sequence[Fraction],
    sizes: Sequence[int],
    implied: Any = None,
) -> HostArray:
    """float64[trainings, P]: payments before rounding under the rule `name`; capped at `implied`
    costs if given.
    """
    rule = RULES[name]()
    rule = rule if implied is None else cap_costs(rule, [float(cost) for cost in implied])
    claimed = [float(cost) for cost in costs]
    divided = [
        rule.divide(claims(values, claimed, REVENUE, sizes=list(sizes))).payments
        for values in valued(rule.of, table).T
    ]
    return np.array(divided, np.float64)


def overstated(
    name: str, table: HostArray, costs: Sequence[Fraction], sizes: Sequence[int], cap: bool
) -> HostArray:
    """float64[OVERSTATED, trainings, P]: what each member gains by claiming more than its cost."""
    implied = costs if cap else None
    honest = paid(name, table, costs, sizes, implied)
    gains = []
    for more in OVERSTATED:
        raised = [
            [*costs[:p], cost * (100 + more) / 100, *costs[p + 1 :]] for p, cost in enumerate(costs)
        ]
        gains.append(
            np.stack(
                [
                    paid(name, table, each, sizes, implied)[:, p] - honest[:, p]
                    for p, each in enumerate(raised)
                ],
                1,
            )
        )
    return np.stack(gains)


def measure(settings: dict[str, Any], rounds: int, done: Callable[[str], None]) -> dict[str, Any]:
    """All gains where models are trained for so many rounds, and what the models of a split would
    have said of it.
    """
    data = federate(
        digits(),
        dirichlet(num_clients=settings["members"], alpha=settings["alpha"], min_size=32),
        seed=settings["seed"],
        validation=0.5,
    )
    price = per_example(price=settings["price"])

    def billed(of: FederatedData) -> tuple[list[Fraction], list[int]]:
        sizes = [int(size) for size in of.sizes]
        return [Fraction(cost) for cost in price(sizes, sizes)], sizes

    table, (costs, sizes) = tables(settings, data, rounds), billed(data)
    done(f"{rounds} rounds: honest")
    honest = {name: paid(name, table, costs, sizes) for name in RULES}
    claimed = {
        which: {name: overstated(name, table, costs, sizes, cap).tolist() for name in RULES}
        for which, cap in (("as claimed", False), ("capped", True))
    }
    gains: dict[str, dict[str, list[list[float]]]] = {
        way: {name: [] for name in RULES} for way in SAID
    }
    for way in SAID:
        for member in range(settings["members"]):
            other = misreported(data, way, member, settings["seed"])
            found, (due, held) = tables(settings, other, rounds), billed(other)
            for name in RULES:
                after = paid(name, found, due, held)
                both = after[:, member] + (after[:, -1] if way != "repeat" else 0)
                gains[way][name].append(
                    (both - honest[name][:, member] - float(sum(due) - sum(costs))).tolist()
                )
            done(f"{rounds} rounds: {way}, member {member}")
    return {
        "rounds": rounds,
        "sizes": sizes,
        "costs": [float(cost) for cost in costs],
        "values": valued("shapley", table).T.tolist(),
        "payments": {name: each.tolist() for name, each in honest.items()},
        "overstated": claimed,
        "gains": gains,
        "models": modelled(table, costs, sizes),
    }


def modelled(
    table: HostArray, costs: Sequence[Fraction], sizes: Sequence[int]
) -> dict[str, list[list[float]]]:
    """[P][trainings] a model: what a split gains under "cost_aware" where one half makes a stated
    part of both.
    """
    honest = paid("cost_aware", table, costs, sizes)
    found: dict[str, list[list[float]]] = {}
    for model, part in PARTS.items():
        found[model] = []
        for member, cost in enumerate(costs):
            split = np.stack([split_table(each, member, part) for each in table.T], 1)
            halved = [*costs[:member], cost / 2, *costs[member + 1 :], cost / 2]
            after = paid("cost_aware", split, halved, [*sizes, sizes[member]])
            found[model].append((after[:, member] + after[:, -1] - honest[:, member]).tolist())
    return found
