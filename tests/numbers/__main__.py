"""`python -m tests.numbers --write FILE | --against FILE`; see `record`."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in the tests; before NumPy is imported
os.environ["FEDJAX_SHAP_CACHE"] = ""  # no plans that earlier runs measured

from tests.numbers import compare, record

TOLERANCE = 1e-6


def main() -> int:
    """Writes a record, or compares with one; 1 where that differs by too much."""
    parser = argparse.ArgumentParser(prog="python -m tests.numbers", description=record.__doc__)
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--write", metavar="FILE", type=Path, help="write what is computed now")
    way.add_argument("--against", metavar="FILE", type=Path, help="compare with what was written")
    known = parser.parse_args()
    kept = None if known.against is None else json.loads(known.against.read_text(encoding="utf-8"))
    began = time.perf_counter()

    def seen(part: str) -> None:
        print(f"{time.perf_counter() - began:5.1f} s  {part}", file=sys.stderr, flush=True)

    numbers = json.loads(json.dumps(record.computed(seen)))
    seen("done")
    if kept is None:
        known.write.write_text(json.dumps(numbers, separators=(",", ":")) + "\n", encoding="utf-8")
        return 0
    print("\n".join(compare.lines(kept, numbers, TOLERANCE)))
    wrong = [one for one in compare.differences(kept, numbers) if one.matters(TOLERANCE)]
    print(f"Leaves that differ by more than {TOLERANCE:g}: {len(wrong)}.")
    return 1 if wrong else 0


sys.exit(main())
