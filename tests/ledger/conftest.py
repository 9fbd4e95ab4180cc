"""A signed ledger and its keys, for the tests of the ledger."""

import functools
import shutil
from importlib import import_module
from pathlib import Path

import pytest
from recording import settlement
from tampering import COUNT

from fedjax_shap.ledger import signing
from fedjax_shap.ledger.content import recorded
from fedjax_shap.ledger.entry import read_entry
from fedjax_shap.ledger.ledger import Ledger


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """A folder with the ledger's key, and somebody else."""
    folder = tmp_path_factory.mktemp("keys")
    return folder / "key", signing.new_key(folder / "key"), signing.new_key(folder / "forger")


@pytest.fixture(scope="session")
def original(tmp_path_factory, keys):
    """A signed ledger of 200 entries."""
    ledger = Ledger.create(tmp_path_factory.mktemp("ledger") / "ledger.db", signer=keys[1])
    for index in range(COUNT):
        ledger.append(*recorded(settlement(100 + index)))
    return ledger.path


@pytest.fixture
def path(tmp_path, original):
    """A copy to tamper with."""
    return Path(shutil.copy(original, tmp_path / "ledger.db"))


@pytest.fixture
def remembered(monkeypatch):
    """Both are pure functions: what was not altered need not be computed a thousand times."""
    for name in ("row_checks", "verify"):
        module = import_module(f"fedjax_shap.ledger.{name}")
        monkeypatch.setattr(module, "is_signed", functools.cache(signing.is_signed))
        monkeypatch.setattr(module, "read_entry", functools.lru_cache(4 * COUNT)(read_entry))
