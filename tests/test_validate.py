"""Cautions are shown to whoever calls, or collected for a result; nothing else is swallowed."""

import warnings

import pytest

from fedjax_shap._validate import InputWarning, caution, cautions


def test_a_caution_is_a_warning_of_its_own_kind():
    with pytest.warns(InputWarning, match="one column was left out"):
        caution("one column was left out")


def test_cautions_are_collected_once_each_in_their_order():
    with cautions() as sentences:
        for sentence in ("b", "a", "b"):
            caution(sentence)
    assert sentences == ["b", "a"]


def test_other_warnings_pass_through_the_collection():
    with pytest.warns(RuntimeWarning, match="overflow"), cautions() as sentences:
        caution("kept")
        warnings.warn("overflow", RuntimeWarning, stacklevel=1)
    assert sentences == ["kept"]
