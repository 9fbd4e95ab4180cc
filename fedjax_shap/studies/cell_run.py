"""One cell of a sweep: run into its folder, or skipped where its result is there already."""

import json
import time
import traceback
from pathlib import Path

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.atomic import replacing
from fedjax_shap.pipeline.config import Config, parse
from fedjax_shap.pipeline.records import RESULT, differing, read_json
from fedjax_shap.studies.engines.engine import Job, Outcome
from fedjax_shap.studies.study import ERROR


def is_done(folder: Path, config: Config) -> bool:
    """Whether a folder has the result of a configuration, titles aside."""
    if not (folder / RESULT).is_file():
        return False
    try:
        record = read_json(folder / RESULT, "result")
    except InvalidInputError:
        return False  # whatever it is, it is replaced by a result
    return not differing(record.get("config"), config.to_dict())


def run_cell(job: Job) -> Outcome:
    """Runs one cell; what was valued of it before is read from its utility store.

    Args:
        job: which; its folder is made.

    Returns:
        What became of it. Where it failed, `error.txt` in its folder says why.
    """
    from fedjax_shap.engine.folders import UTILITIES
    from fedjax_shap.pipeline.run import run  # with JAX, which other commands do without

    folder = Path(job.folder)
    began = time.perf_counter()
    unpaid = ""
    failed = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).unlink(missing_ok=True)  # of another configuration: not to be mixed up
        result = run(parse(job.raw), store=folder / UTILITIES, fresh=job.fresh)
        unpaid = result.unpaid
        with replacing(folder / RESULT) as file:
            file.write((json.dumps(result.to_json(), indent=1) + "\n").encode())
        (folder / ERROR).unlink(missing_ok=True)
    except InvalidInputError as error:
        failed = str(error)
        _write_error(folder, f"{failed}\n")
    except Exception as error:  # whatever it is: the other cells go on
        failed = f"{type(error).__name__}: {error}".splitlines()[0]
        _write_error(folder, traceback.format_exc())
    return Outcome(job.name, time.perf_counter() - began, failed=failed, unpaid=unpaid)


def _write_error(folder: Path, content: str) -> None:
    """Keeps why a cell failed, where its folder can be written."""
    try:
        with replacing(folder / ERROR) as file:
            file.write(content.encode())
    except OSError:
        pass
