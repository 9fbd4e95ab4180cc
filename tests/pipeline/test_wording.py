"""Refusals name a field as the configuration has it, and nothing else."""

import pytest

from fedjax_shap._validate import InvalidInputError, fraction, require
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.wording import Field, located

FIELDS = [
    Field("participation.drop_out", "drop_out", 1.5),
    Field("partition.ratios", "ratios", (1.0, 2.0)),
    Field("corrupt.0.rate", "rate", 2.0),
    Field("corrupt.1.rate", "rate", 2.0),
]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Expected drop_out=1.5 to lie in [0, 1].", "Expected participation.drop_out=1.5 to lie"),
        ("Expected ratios=(1.0, 2.0) to be", "Expected partition.ratios=(1.0, 2.0) to be"),
        ("Expected ratios=[1.0, 2.0] to be", "Expected partition.ratios=[1.0, 2.0] to be"),
        # another value, another argument, two fields: as it was said
        ("Expected drop_out=1.25 to lie", "Expected drop_out=1.25 to lie"),
        ("Expected x to differ from drop_out=1.5 .", "Expected x to differ from drop_out=1.5 ."),
        ("Expected rate=2.0 to lie", "Expected rate=2.0 to lie"),
    ],
)
def test_a_field_is_named_by_its_path_where_it_is_known(sentence, expected):
    with pytest.raises(InvalidInputError) as caught, located(FIELDS):
        require(False, sentence)
    assert str(caught.value).startswith(expected)


def test_the_fields_are_those_that_the_configuration_gives():
    corrupt = [{"name": "label_noise", "client": 0, "rate": 2}]
    fields = parse({"local": {"learning_rate": 0.5}, "corrupt": corrupt}).fields()
    assert {field.path: field.value for field in fields} == {
        "local.learning_rate": 0.5,
        "corrupt.0.client": 0,
        "corrupt.0.rate": 2.0,
    }
    with (
        pytest.raises(InvalidInputError, match=r"^Expected corrupt\.0\.rate=2.0 to lie in"),
        located(fields),
    ):
        fraction("rate", 2.0)
