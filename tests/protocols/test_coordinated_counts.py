"""Bytes and encryptions in closed form are those of trainings that are run."""

import pytest
from coordinated import federation, train

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.protocols.coordinated_counts import of_hosts, of_label_holder, training


@pytest.mark.parametrize("columns", [(2, 3, 1), (1, 0)])
@pytest.mark.parametrize("encryption", ["none", "paillier"])
@pytest.mark.parametrize("batch_size", [None, 5])
def test_counts_are_those_of_a_training_that_is_run(columns, encryption, batch_size):
    how = {"epochs": 2, "batch_size": batch_size, "encryption": encryption}
    out = train(*federation(rows=12, columns=columns), **how)
    asked = training(12, **how, key_bits=512)
    assert asked.num_steps == out.session.num_steps
    counts = of_hosts(asked, dict(zip(out.session.hosts, columns[:-1], strict=True)))
    counts["label holder"] = of_label_holder(asked, len(columns) - 1, columns[-1])
    for name, one in counts.items():
        assert one.sent == out.transcript.bytes_from(name)
        assert one.received == out.transcript.bytes_to(name)
        work = out.work[name]
        assert (one.encryptions, one.products) == (work.encryptions, work.products)


def test_what_the_training_refuses_is_not_counted():
    with pytest.raises(InvalidInputError, match="epochs=0"):
        training(12, epochs=0)
    with pytest.raises(InvalidInputError, match="shop to have a column"):
        of_hosts(training(12), {"shop": 0})
