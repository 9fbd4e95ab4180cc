"""Clients of banks: rows, classes and groups are those of the published tables."""

from collections import Counter

import numpy as np
import pytest
from pools import covering, published, rows_by_member

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.sources import load


def test_bank_marketing_is_the_published_table_without_the_length_of_the_call(data_folder):
    rows = published(data_folder / "bank_marketing" / "bank-full.csv.gz", ";")
    pool = covering(load("bank_marketing", folder=str(data_folder)))
    assert pool.num_rows + len(pool.test[1]) == len(rows) == 45211
    assert pool.y.sum() + pool.test[1].sum() == Counter(row["y"] for row in rows)["yes"] == 5289
    assert rows_by_member(pool) == Counter(row["job"] for row in rows)
    features = pool.notes["features"]
    assert len(features) == pool.x.shape[1] == 38 and pool.notes["labels"] == ("no", "yes")
    assert not any(name == "duration" or name.startswith("job") for name in features)
    # in units again, the training and the test rows have the published sum of ages
    ages = np.array([int(row["age"]) for row in rows])
    both = np.concatenate([pool.x, pool.test[0]])[:, features.index("age")].astype(float)
    slope = ages.std() / both.std()
    np.testing.assert_allclose(
        np.sort(both * slope + ages.mean() - both.mean() * slope), np.sort(ages), atol=1e-3
    )


def test_credit_default_is_the_published_table_in_words_and_logarithms_of_money(data_folder):
    rows = published(data_folder / "credit_default" / "UCI_Credit_Card.csv.gz")
    pool = covering(load("credit_default", folder=str(data_folder)))
    assert pool.num_rows + len(pool.test[1]) == len(rows) == 30000
    assert pool.y.sum() + pool.test[1].sum() == 6636
    names = {"1": "graduate school", "2": "university", "3": "high school"}
    assert rows_by_member(pool) == Counter(names.get(row["EDUCATION"], "other") for row in rows)
    features = pool.notes["features"]
    assert len(features) == pool.x.shape[1] == 25
    assert "ID" not in features and "sex=female" in features and "PAY_0" in features
    women = np.concatenate([pool.x, pool.test[0]])[:, features.index("sex=female")]
    assert women.sum() == Counter(row["SEX"] for row in rows)["2"] == 18112
    # bills in units again: logarithms that keep their sign
    bills = np.array([float(row["BILL_AMT1"]) for row in rows])
    expected = np.sort(np.sign(bills) * np.log1p(np.abs(bills)))
    logs = np.concatenate([pool.x, pool.test[0]])[:, features.index("BILL_AMT1")].astype(float)
    slope = expected.std() / logs.std()
    shift = expected.mean() - logs.mean() * slope
    np.testing.assert_allclose(np.sort(logs) * slope + shift, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "file", "text", "said"),
    [
        ("bank_marketing", "bank-full.csv", '"age";"y"\n5;"no"\n', "the columns of bank-full.csv"),
        ("bank_marketing", "bank-full.csv", '"age";"y\n5;"no"\n', "to be separated by .;."),
        ("bank_marketing", "bank-full.csv", "", "at least one line"),
        ("credit_default", "UCI_Credit_Card.csv", "ID,SEX\n1,2\n", "25 columns"),
    ],
)
def test_another_table_is_refused(name, file, text, said, tmp_path):
    (tmp_path / file).write_text(text)
    with pytest.raises(InvalidInputError, match=said):
        load(name, folder=str(tmp_path))


def test_a_column_that_has_no_groups_is_refused():
    for name in ("bank_marketing", "credit_default"):
        with pytest.raises(InvalidInputError, match="client='age' to be a known name"):
            load(name, client="age")
