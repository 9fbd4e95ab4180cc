"""What the tests of benchmarks share."""

import pytest

from benchmarks import timing


@pytest.fixture(autouse=True)
def programs_of_other_tests(request, monkeypatch):
    """Lets a benchmark read the programs that another test compiled; it would compile them anew,
    which is tested with the harness."""
    if request.module.__name__ != "test_benchmark_harness":
        monkeypatch.setattr(timing, "_persistent_cache", lambda enabled: None)
