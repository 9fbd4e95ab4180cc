"""FATE's vertical files as they are, and a file of one's own a party: whose columns they are, which
ids are common, and what is refused."""

import numpy as np
import pytest
from pools import published

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.aligned import aligned
from fedjax_shap.data.vertical_files import fate_hetero, vertical_csv

SHOP = "id,age,town\n" + "".join(f"{n},{n * n},{'north' if n % 2 else 'south'}\n" for n in range(9))
BANK = "id,late,income\n" + "".join(
    f"{n},{'no' if n % 3 else 'yes'},{n}\n" for n in range(8, 1, -1)
)


def test_fates_breast_is_aligned_by_id_and_its_guest_has_the_labels(data_folder):
    pool = fate_hetero(which="breast", folder=str(data_folder))
    guest, host = (
        {row["id"]: row for row in published(data_folder / "fate" / f"breast_hetero_{party}.csv")}
        for party in ("guest", "host")
    )
    data = aligned(pool.data)
    assert data.names == ("host",) and data.label_holder == "guest" and data.num_classes == 2
    assert len(data.y) == len(guest) == 569
    assert [block.shape[1] for block in data.blocks] == [20, 10]
    for row in (0, 17, 568):
        one = str(data.ids[0][row])
        assert data.y[row] == int(guest[one]["y"])
        assert data.blocks[0][row, 3] == float(host[one]["x3"])
        assert data.blocks[1][row, 9] == float(guest[one]["x9"])


@pytest.mark.parametrize(
    ("which", "rows", "widths", "classes"),
    [
        ("vehicle", 846, [9, 9], 4),
        ("student", 395, [7, 6], None),
        ("motor_two_hosts", 800, [3, 4, 4], None),
    ],
)
def test_the_others_have_fates_rows_and_columns(which, rows, widths, classes, data_folder):
    data = aligned(fate_hetero(which=which, folder=str(data_folder)).data)
    assert len(data.y) == rows and data.num_classes == classes
    assert [block.shape[1] for block in data.blocks] == widths


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "shop.csv").write_text(SHOP)
    (tmp_path / "bank.csv").write_text(BANK)
    return {"bank": str(tmp_path / "bank.csv"), "shop": str(tmp_path / "shop.csv")}


def test_who_has_the_label_is_the_label_holder_and_words_become_columns(paths):
    pool = vertical_csv(parties=paths, label="late", test_fraction=0.5, seed=2)
    data = aligned(pool.data)
    assert (pool.test_fraction, pool.seed) == (0.5, 2)
    assert data.names == ("shop",) and data.label_holder == "bank"
    assert data.features == (("age", "town=north", "town=south"), ("income",))
    assert data.ids[0].tolist() == list(range(2, 9)) and data.ids[0].dtype == np.int64
    np.testing.assert_array_equal(data.blocks[0][:, 0], np.arange(2, 9) ** 2)
    assert data.y.tolist() == [0, 1, 0, 0, 1, 0, 0]  # "no" is 0, "yes" 1


def test_ids_with_leading_zeros_are_texts(paths, tmp_path):
    (tmp_path / "shop.csv").write_text(SHOP.replace("\n4,", "\n04,"))
    with pytest.warns(UserWarning, match="compared as texts"):
        data = aligned(vertical_csv(parties=paths, label="late").data)
    assert data.ids[0].tolist() == ["2", "3", "5", "6", "7", "8"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"parties": {"bank": "bank.csv"}}, "at least two parties"),
        ({"label": "lates"}, "did you mean 'late'"),
        ({"label": "id"}, "one party's file"),
        ({"id_column": "key"}, "id_column='key' to be a column"),
        ({"drop": ("town", "street")}, "drop"),
        ({"separator": "ab"}, "one character"),
    ],
)
def test_what_cannot_be_read_is_refused(given, sentence, paths):
    with pytest.raises(InvalidInputError, match=sentence):
        vertical_csv(**{"parties": paths, "label": "late", **given})


def test_missing_cells_are_refused_or_their_rows_left_out(paths, tmp_path):
    (tmp_path / "shop.csv").write_text(SHOP.replace("\n4,16,", "\n4,,"))
    with pytest.raises(InvalidInputError, match=r"line 6.*cannot be filled"):
        vertical_csv(parties=paths, label="late")
    with pytest.warns(UserWarning, match="1 row of 9 left out"):
        pool = vertical_csv(parties=paths, label="late", missing="drop")
    assert 4 not in aligned(pool.data).ids[0]
    (tmp_path / "shop.csv").write_text(SHOP.replace("\n4,", "\n5,"))
    with pytest.raises(InvalidInputError, match="'shop' to hold each id once, but it holds 5"):
        vertical_csv(parties=paths, label="late")


def test_parties_may_have_no_columns_and_large_numbers_keep_their_digits(paths, tmp_path):
    (tmp_path / "bank.csv").write_text("id,late\n" + "".join(f"{n},{n % 2}\n" for n in range(9)))
    seconds = [1_700_000_000 + n for n in range(9)]
    (tmp_path / "shop.csv").write_text(
        "id,at\n" + "".join(f"{n},{at}\n" for n, at in enumerate(seconds))
    )
    data = vertical_csv(parties=paths, label="late").data
    assert [block.shape[1] for block in data.blocks] == [1, 0]
    np.testing.assert_array_equal(data.blocks[0][:, 0], seconds)
