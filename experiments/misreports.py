"""Federations in which a member misreports its data or its cost, and what rules pay for it."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.harness import Done, Settings
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
# The models of `audits.manipulation`: the part of a member's contribution that one half makes.
PARTS = {"halves": 0.5, "complements": 0.0, "copies": 1.0}
WAYS = {  # of misreporting data, and what the member then does
    "split": "appears as two halves",
    "copy": "appears twice",
    "repeat": "holds its rows twice",
}


class Costs(NamedTuple):
    """What the members of a federation bear, and how many rows each has."""

    costs: list[Fraction]
    sizes: list[int]

    def claimed(self, member: int, cost: Fraction) -> "Costs":
        """The same, with another cost of one member."""
        return self._replace(costs=[*self.costs[:member], cost, *self.costs[member + 1 :]])


def costs_of(data: FederatedData, price: str) -> Costs:
    """The honest costs: a price an example."""
    sizes = [int(size) for size in data.sizes]
    return Costs([Fraction(cost) for cost in per_example(price=price)(sizes, sizes)], sizes)


def misreported(data: FederatedData, way: str, member: int, seed: int) -> FederatedData:
    """The federation in which one member misreports its data.

    Args:
        data: the honest federation.
        way: one of `WAYS`; after "split" and "copy" the member's second appearance comes last.
        member: which.
        seed: with the member, decides how its rows are split.
    """
    clients = [data.client(each) for each in range(data.num_clients)]
    x, y = clients[member]
    names = list(data.names)
    if way == "repeat":
        clients[member] = (np.concatenate([x, x]), np.concatenate([y, y]))
    elif way == "copy":
        clients.append((x, y))
        names.append(f"{names[member]} (2)")
    else:
        rows = np.random.default_rng([seed, member]).permutation(len(y))
        one, other = np.split(rows, [-(-len(y) // 2)])
        clients[member] = (x[one], y[one])
        clients.append((x[other], y[other]))
        names.append(f"{names[member]} (2)")
    return from_arrays(
        clients, data.test, data.validation, names=names, num_classes=data.num_classes
    )


def tables(settings: Settings, data: FederatedData, rounds: int) -> HostArray:
    """float64[2^P, trainings]: the utility of every coalition under several seeds of training."""
    client_training = local(
        learning_rate=settings["learning_rate"],
        batch_size=settings["batch_size"],
        epochs=settings["epochs"],
    )
    key = jax.random.key(settings["seed"])
    training = Training(linear(), client_training, fedavg(max_rounds=rounds), key=key)
    game = repeated(silo(data, training, metric=settings["metric"]), settings["trainings"])
    return evaluate(game, jax.random.fold_in(key, 1), all_subsets(data.num_clients))


def valued(of: str, table: HostArray) -> HostArray:
    """float64[P, trainings]: the values that a rule divides by."""
    players = len(table).bit_length() - 1
    if not of:
        return np.zeros_like(table[:players])
    if of == "least_core":
        return least_core_values(all_subsets(players), table)
    if of == "leave_one_out":
        last = np.eye(players)[-1]
        return semivalues(table, lambda count: last)
    kind: Any = of
    return semivalues(table, kind)


def paid(
    name: str, table: HostArray, borne: Costs, implied: Sequence[Fraction] | None = None
) -> HostArray:
    """float64[trainings, P]: payments before rounding.

    Args:
        name: of the rule.
        table: float64[2^P, trainings], utilities.
        borne: what members claim.
        implied: P costs at which claims are capped; claims are paid as they are if None.
    """
    rule = RULES[name]()
    if implied is not None:
        rule = cap_costs(rule, [float(cost) for cost in implied])
    claimed = [float(cost) for cost in borne.costs]
    divided = [
        rule.divide(claims(values, claimed, REVENUE, sizes=list(borne.sizes))).payments
        for values in valued(rule.of, table).T
    ]
    return np.array(divided, np.float64)


def overstated(name: str, table: HostArray, borne: Costs, *, cap: bool) -> HostArray:
    """float64[OVERSTATED, trainings, P]: what each member gains by claiming more than its cost."""
    implied = None
    if cap:
        implied = borne.costs
    honest = paid(name, table, borne, implied)
    gains = np.empty((len(OVERSTATED), *honest.shape))
    for at, more in enumerate(OVERSTATED):
        for member, cost in enumerate(borne.costs):
            raised = borne.claimed(member, cost * (100 + more) / 100)
            after = paid(name, table, raised, implied)
            gains[at, :, member] = after[:, member] - honest[:, member]
    return gains


def measure(settings: Settings, rounds: int, done: Done) -> dict[str, Any]:
    """All gains where models are trained for so many rounds, and those of the models of a split."""
    partition = dirichlet(num_clients=settings["members"], alpha=settings["alpha"], min_size=32)
    data = federate(digits(), partition, seed=settings["seed"], validation=0.5)
    table = tables(settings, data, rounds)
    borne = costs_of(data, settings["price"])
    done(f"{rounds} rounds: honest")
    honest = {name: paid(name, table, borne) for name in RULES}
    claimed = {}
    for which, cap in (("as claimed", False), ("capped", True)):
        claimed[which] = {name: overstated(name, table, borne, cap=cap).tolist() for name in RULES}
    gains: dict[str, dict[str, list[list[float]]]] = {}
    for way in WAYS:
        gains[way] = {name: [] for name in RULES}
        for member in range(settings["members"]):
            other = misreported(data, way, member, settings["seed"])
            other_table = tables(settings, other, rounds)
            other_borne = costs_of(other, settings["price"])
            more = float(sum(other_borne.costs) - sum(borne.costs))
            for name in RULES:
                after = paid(name, other_table, other_borne)
                both = _of_member(after, way, member)
                gains[way][name].append((both - honest[name][:, member] - more).tolist())
            done(f"{rounds} rounds: {way}, member {member}")
    return {
        "rounds": rounds,
        "sizes": borne.sizes,
        "costs": [float(cost) for cost in borne.costs],
        "values": valued("shapley", table).T.tolist(),
        "payments": {name: each.tolist() for name, each in honest.items()},
        "overstated": claimed,
        "gains": gains,
        "models": modelled(table, borne),
    }


def _of_member(payments: HostArray, way: str, member: int) -> HostArray:
    """float64[trainings]: what a member is paid under all its names."""
    if way == "repeat":
        return payments[:, member]
    return payments[:, member] + payments[:, -1]


def modelled(table: HostArray, borne: Costs) -> dict[str, list[list[float]]]:
    """What a split gains under "cost_aware" where one half makes a stated part of both.

    Returns:
        {model: [P][trainings]}.
    """
    honest = paid("cost_aware", table, borne)
    gains: dict[str, list[list[float]]] = {}
    for model, part in PARTS.items():
        gains[model] = []
        for member, cost in enumerate(borne.costs):
            split = np.stack([split_table(each, member, part) for each in table.T], 1)
            halved = borne.claimed(member, cost / 2)
            two = Costs([*halved.costs, cost / 2], [*borne.sizes, borne.sizes[member]])
            after = paid("cost_aware", split, two)
            gains[model].append((after[:, member] + after[:, -1] - honest[:, member]).tolist())
    return gains
