"""Shakespeare by role: rows are successive characters of one role, and test text comes last."""

import re

import numpy as np
import pytest
from pools import covering

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.sources import load


def read(pool, rows):
    """Token rows as text."""
    return ["".join(pool.notes["labels"][int(token)] for token in row) for row in rows]


def test_tinyshakespeare_is_the_published_text_by_role(data_folder):
    pool = covering(load("tinyshakespeare", folder=str(data_folder)))
    assert pool.num_classes == 65 and pool.x.shape[1:] == (80,)
    assert len(set(pool.columns["role"])) == 141
    assert "".join(pool.notes["labels"]).startswith("\n !$&',-.3:;?ABC")
    romeo = pool.columns["role"] == "ROMEO"
    assert read(pool, pool.x[romeo][:1]) == [
        "Is the day so young?\nAy me! sad hours seem long.\nWas that my father that went he"
    ]
    assert [pool.notes["labels"][label] for label in pool.y[romeo][:1]] == ["n"]


def test_rows_go_through_a_roles_speeches_and_none_is_in_both_sets(tmp_path):
    speeches = {"KING": "ab cd" * 260, "FOOL": "xyz\n" * 300, "PAGE": "hi" * 20}
    blocks = [f"{name}:\n{said[:640].strip()}" for name, said in speeches.items()]
    blocks += ["MUTE:", *(f"{name}:\n{said[640:].strip()}" for name, said in speeches.items())]
    (tmp_path / "input.txt").write_text("\n\n".join(blocks) + "\n")
    pool = covering(load("tinyshakespeare", folder=str(tmp_path), stride=1, test_fraction=0.25))
    assert set(pool.columns["role"]) == {"KING", "FOOL"}
    for name in ("KING", "FOOL"):
        spoken = f"{speeches[name][:640].strip()}\n{speeches[name][640:].strip()}"
        cut = round(0.75 * len(spoken))
        own = pool.columns["role"] == name
        last = pool.test_columns["role"] == name
        expected = [spoken[start : start + 80] for start in range(cut - 80)]
        assert read(pool, pool.x[own]) == expected
        assert len(pool.test[1][last]) == len(spoken) - cut - 80
        assert read(pool, [pool.test[1][last]])[0] == spoken[cut + 80 :]
    only = load("tinyshakespeare", folder=str(tmp_path), roles=1)
    assert set(only.columns["role"]) == {"KING"}


def test_settings_that_leave_no_row_are_refused(data_folder, tmp_path):
    for setting, said in (
        ({"roles": 142}, "roles=142 to be an integer >= 1 and <= 141"),
        ({"test_fraction": 0.01}, "test_fraction=0.01 to leave 81 characters"),
        ({"stride": 0}, "stride=0"),
    ):
        with pytest.raises(InvalidInputError, match=re.escape(said)):
            load("tinyshakespeare", folder=str(data_folder), **setting)
    (tmp_path / "input.txt").write_text("A:\nhow short\n")
    with pytest.raises(InvalidInputError, match="to hold a role with 1000 characters"):
        load("tinyshakespeare", folder=str(tmp_path))


def test_tokens_are_whole_numbers_that_a_model_can_embed(data_folder):
    pool = load("tinyshakespeare", folder=str(data_folder), roles=2, stride=80)
    assert np.array_equal(pool.x, pool.x.astype(int)) and pool.x.min() >= 0 and pool.x.max() < 65
