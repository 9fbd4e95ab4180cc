"""Folders of runs that never ran, as a sweep leaves them."""

import json
from decimal import Decimal
from pathlib import Path

NAMES = ("north", "south", "=east")


def record(config, values, *, grand=None, paid=True, metric="accuracy", **more):
    """What `Result.to_json` gives of a run, as far as studies read it."""
    count = len(values)
    settled = None
    if paid:
        payments = [str(Decimal(place + 1)) for place in range(count)]
        settled = {"payments": payments, "costs": ["0"] * count, "profits": payments}
    return {
        "config": {"title": "any", **config},
        "players": list(NAMES[:count]),
        "sizes": [10] * count,
        "values": list(values),
        "std_errors": [None] * count,
        "costs": ["0"] * count,
        "settlement": settled,
        "metric": {"name": metric, "label": metric, "sign": 1},
        "empty": 0.1,
        "grand": sum(values) if grand is None else grand,
        "centralized": {"pooled": 0.9},
        "num_coalitions": 2**count,
        "coalitions": {"asked": 2**count, "trained": 2**count, "from_store": 0},
        "timing": {"compile_s": 1.0, "train_s": 2.0, "total_s": 4.0},
        **more,
    }


def cell(folder, name, config, values, **more):
    """The folder of one run."""
    place = Path(folder, name)
    place.mkdir(parents=True, exist_ok=True)
    (place / "result.json").write_text(json.dumps(record(config, values, **more)))
    return place


def study(folder, methods=("fedavg", "fedprox"), alphas=(0.1, 1.0), seeds=range(3)):
    """A study in which the method at place i is worth 0.1 i more, and a seed s 0.01 s more."""
    for place, method in enumerate(methods):
        algorithm = {"name": method}
        if method == "fedprox":
            algorithm["mu"] = 0.1
        for alpha in alphas:
            for seed in seeds:
                config = {
                    "seed": seed,
                    "partition": {"name": "dirichlet", "alpha": alpha},
                    "algorithm": algorithm,
                    "local": {"learning_rate": 0.1},
                }
                values = (0.3 - 0.2 * place, 0.2, 0.1 * alpha)
                grand = alpha + 0.1 * place + 0.01 * seed
                cell(folder, f"{method},{alpha},{seed}", config, values, grand=grand)
    return folder
