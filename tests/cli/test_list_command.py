"""`fedjax-shap list`: all names on a screen, all keywords of a section, all words of an entry."""

import inspect

import pytest
from console import refused, said

from fedjax_shap.data.partition import PARTITIONS
from fedjax_shap.pipeline.schema import SECTIONS, VOCABULARIES

EVERY = {**SECTIONS, **VOCABULARIES}


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """Of the usual width."""
    monkeypatch.setenv("COLUMNS", "80")


def test_all_names_fit_on_a_screen(capsys):
    shown = said(capsys, "list")
    assert len(shown.splitlines()) <= 60 and max(map(len, shown.splitlines())) <= 80
    words = shown.replace(",", " ").split()
    for name, section in EVERY.items():
        assert name in words and section.describe().entries.keys() <= set(words)


@pytest.mark.parametrize("name", EVERY)
def test_a_section_is_listed_with_all_its_keywords(name, capsys):
    section = EVERY[name].describe()
    words = said(capsys, "list", name).replace(",", " ").split()
    assert words[0] == f"[{name}]"
    for entry in section.entries:
        assert entry in words
        assert {f"{keyword}:" for keyword in section.keywords(entry)} <= set(words)


def test_entries_that_differ_in_name_alone_share_a_description(capsys):
    shown = said(capsys, "list", "local")
    assert shown.count("batch_size") == 1 and "adagrad, adam" in shown


def test_an_entry_is_listed_with_all_that_is_said_of_it(capsys):
    shown = said(capsys, "list", "partition", "dirichlet")
    for line in inspect.getdoc(PARTITIONS["dirichlet"]).splitlines():
        assert line.strip() in shown
    assert "must be given" in said(capsys, "list", "corrupt", "label_noise")
    assert "Local training" in said(capsys, "list", "local", "adam")
    assert "8,100 GFLOPS" in said(capsys, "list", "profile", "t4")
    assert "seconds" in said(capsys, "list", "until", "wall_clock")


def test_what_is_not_there_is_refused_with_the_nearest_name(capsys):
    assert "did you mean 'partition'" in refused(capsys, "list", "partitions")
    assert "did you mean 'dirichlet'" in refused(capsys, "list", "partition", "dirichlt")
