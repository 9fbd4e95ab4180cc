"""The manifest says what the registries say, and refuses without JAX what they would refuse."""

import subprocess
import sys

import pytest

from fedjax_shap.pipeline import manifest
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.descriptions import type_name, type_of
from fedjax_shap.pipeline.schema import SECTIONS, VOCABULARIES, describe
from fedjax_shap.shapley.estimators.registry import DEFAULT, ESTIMATORS

LIVE = {name: spec.describe() for name, spec in {**SECTIONS, **VOCABULARIES}.items()}
BAD = [
    {"sections": {}},
    {"partition": {"name": "dirichlt"}},
    {"partition": {"name": "dirichlet", "alhpa": 1.0}},
    {"partition": {"name": "dirichlet", "alpha": "one"}},
    {"model": {"hidden": [4]}},
    {"estimator": {"on_nonfinite": "ignore"}},
    {"corrupt": [{"name": "label_noise", "client": 0}]},
]
# prints the refusal, and what was imported for it of the libraries that take long to import
REFUSE = """
import sys
from fedjax_shap.pipeline.config import parse
try:
    parse({raw!r})
except ValueError as error:
    print(error)
slow = {{"jax", "flax", "optax", "scipy", "sklearn", "matplotlib", "pandas", "rich"}}
print(sorted(slow & sys.modules.keys()))
"""


def test_the_manifest_in_the_package_is_that_of_the_registries():
    assert manifest.shipped() == LIVE, "write it: python -m fedjax_shap.pipeline.manifest"
    assert manifest.read(manifest.written(LIVE)) == LIVE


def test_every_type_in_the_manifest_can_be_read_back():
    for section in LIVE.values():
        for name in section.entries:
            for keyword in section.keywords(name).values():
                assert type_name(type_of(keyword.type)) == keyword.type


def test_a_name_that_is_implied_is_that_of_a_registry():
    for name, spec in SECTIONS.items():
        assert set(spec.implied.values()) <= LIVE[name].entries.keys()
    assert SECTIONS["estimator"].implied["budget"] == DEFAULT


def test_an_entry_added_while_the_program_runs_counts(monkeypatch):
    def twice(*, factor: float):
        """Twice the exact values."""

    monkeypatch.setitem(ESTIMATORS, "twice", twice)
    assert describe("estimator").entries["twice"].summary == "Twice the exact values."
    config = parse({"estimator": {"name": "twice", "factor": 2}})
    assert config.sections["estimator"].keywords == {"factor": 2.0}


@pytest.mark.parametrize("raw", BAD, ids=lambda raw: next(iter(raw)))
def test_a_bad_configuration_is_refused_without_slow_imports_as_it_is_with_them(raw):
    with pytest.raises(ValueError) as caught:
        parse(raw)
    done = subprocess.run(
        [sys.executable, "-c", REFUSE.format(raw=raw)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [str(caught.value), "[]"]
