"""The version: a release has that of its tag; every other state of the source names its commit.

The build asks this file, and so does the package while it runs: the metadata of an editable install
stay those of the day on which it was made, so a checkout asks git.
"""

import re
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

RELEASE = "0.1.0"  # the newest or the next; counts only where git names no release
ROOT = Path(__file__).resolve().parents[1]
TAG = r"v(\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?)"  # v0.2.0, v1.0.0rc1
_SECONDS = 10.0  # git has to answer


@cache
def version() -> str:
    """The version of the package that is running."""
    if not (ROOT / ".git").exists():
        with suppress(PackageNotFoundError):
            return installed("fedjax-shap")
    return of_source()


def of_source(folder: Path = ROOT) -> str:
    """The version of a source tree, by what git says of it.

    Returns:
        "0.2.0" at the tag v0.2.0; "0.2.1.dev3+g1234abc" three commits later, with ".dirty" at the
        end where tracked files differ from the commit. Where no tag is known, RELEASE with
        ".dev0+g1234abc"; and with ".dev0+unknown" where there is no git or no checkout.
    """
    said = _described(folder)
    match = re.fullmatch(rf"(?:{TAG}-(\d+)-g|.*-g)?([0-9a-f]{{7,}})(-dirty)?", said)
    if match is None:
        return f"{RELEASE}.dev0+unknown"
    tag, since, commit, dirty = match.groups()
    if tag and since == "0" and not dirty:
        return tag
    local = f"g{commit}{'.dirty' if dirty else ''}"
    if tag is None:
        return f"{RELEASE}.dev0+{local}"
    following = re.sub(r"\d+$", lambda last: str(int(last[0]) + 1), tag)
    return f"{following}.dev{since}+{local}"


def _described(folder: Path) -> str:
    """What `git describe` says of a checkout; "" where it is none, or git is not there."""
    if not (folder / ".git").exists():  # a folder inside somebody else's repository
        return ""
    command = ["git", "describe", "--tags", "--long", "--always", "--dirty", "--abbrev=7"]
    command += ["--match", "v[0-9]*"]
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
        return done.stdout.strip()
    return ""
