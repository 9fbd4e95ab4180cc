"""What runs a page's script: node for its functions, and a headless Chromium for whole pages."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import fedjax_shap.report.page_what_if as page_what_if

SETTLE = Path(page_what_if.__file__).parent / "page_files" / "settle.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NODE = shutil.which("node")
SECONDS = 90  # after which a browser is given up


def computed(expression: str, *given: Any) -> Any:
    """What an expression over `given` makes with the functions of `settle.js`; big integers come
    back as texts."""
    if NODE is None:
        pytest.skip("no node on the path, which runs the page's script")
    lines = [
        SETTLE.read_text(encoding="utf-8"),
        f"const given = {json.dumps(given)};",
        f"const made = {expression};",
        "const plain = (_, one) => (typeof one === 'bigint' ? one.toString() : one);",
        "process.stdout.write(JSON.stringify(made, plain));",
    ]
    done = subprocess.run(
        [NODE, "-"], input="\n".join(lines), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def opened(page: Path, *options: str) -> tuple[str, str]:
    """(the document that a page becomes in a headless Chromium, what its console says)."""
    if CHROMIUM is None:
        pytest.skip("no chromium on the path, which opens the page")
    profile = page.parent / "chromium"
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={profile}",
            "--virtual-time-budget=4000",
            "--enable-logging=stderr",
            *options,
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
