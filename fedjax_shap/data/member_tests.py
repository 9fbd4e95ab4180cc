"""Test sets of the members' own: by the clients' names, and together as one set whose rows have
owners; and whether test sets share classes with the clients.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fedjax_shap._validate import caution, listed, require
from fedjax_shap.data.targets import Targets
from fedjax_shap.trees import placed
from fedjax_shap.typing import Array, HostArray


def test_of(name: str) -> str:
    """How a refusal calls the test set of a member."""
    return f"member_tests[{name}]"


def own_tests(
    member_tests: Iterable[Any] | Mapping[str, Any] | None,
    names: Sequence[str],
    test: Any,
    validation: Any,
) -> dict[str, Any]:
    """The members' own test sets by what they are called, without those that are None."""
    if member_tests is None:
        require(
            test is not None, "Expected test, the server's test set, or member_tests, got none."
        )
        return {}
    require(
        validation is None,
        "Expected validation to be left out with member_tests, which are the validation set.",
    )
    if isinstance(member_tests, Mapping):
        unknown = sorted(str(name) for name in member_tests if str(name) not in names)
        require(not unknown, f"Expected member_tests to name clients, got {unknown}.")
        by_name = {str(name): one for name, one in member_tests.items()}
        listed = [by_name.get(name) for name in names]
    else:
        listed = list(member_tests)
    require(
        len(listed) == len(names),
        f"Expected member_tests to have {len(names)} entries, one a client, got {len(listed)}.",
    )
    given = {test_of(name): one for name, one in zip(names, listed) if one is not None}
    require(bool(given), "Expected member_tests to hold a test set, got None for every client.")
    return given


def owned(
    tests: Sequence[tuple[HostArray, HostArray] | None],
) -> tuple[Array, tuple[HostArray, HostArray]]:
    """(int32[T], whose each row is; all rows) of the members' own test sets."""
    there = [(owner, *one) for owner, one in enumerate(tests) if one is not None]
    owners = np.concatenate([np.full(len(y), owner, np.int32) for owner, _, y in there])
    x = np.concatenate([x for _, x, _ in there])
    y = np.concatenate([y for _, _, y in there])
    return placed(owners), (x, y)


def require_shared_classes(targets: Targets) -> None:
    """Refuses test rows none of whose classes a client has: one of the two is coded otherwise.

    A caution names classes that some test rows have and no client.
    """
    if targets.num_classes is None:
        return
    names = targets.class_names or tuple(map(str, range(targets.num_classes)))
    trained: set[int] = set()
    tested: set[int] = set()
    for name, y in targets.sets.items():
        kinds = np.unique(y).tolist()
        if name.startswith("clients["):
            trained.update(kinds)
        else:
            tested.update(kinds)
    known, others = ([names[kind] for kind in sorted(kinds)[:10]] for kinds in (trained, tested))
    require(
        bool(trained & tested),
        f"Expected test to hold classes that clients hold, {known}, got {others}.",
    )
    untaught = [names[kind] for kind in sorted(tested - trained)]
    if untaught:
        caution(
            f"test: no client holds a row of class {listed(untaught)}, so no model learns it, and "
            "its test rows count as errors; leave them out, if that is not meant."
        )
