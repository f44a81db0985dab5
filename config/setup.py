"""Install requirements.lock into the virtual environment that runs this: `.venv/bin/python -m config.setup`.

Nothing outside the standard library is at hand yet. uv is the quick way (seconds), so it comes first, with pip and
pinned like all the rest; where it has no build or cannot reach the registry that pip is told to use, pip does it all.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
STAMP = Path(sys.prefix) / "hyotei-installed"
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]


def main() -> int:
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    print("Installing the packages of requirements.lock …", flush=True)
    if not _with_uv() and subprocess.run([*PIP, "-r", str(LOCK)], check=False).returncode != 0:
        print("The packages could not be installed; what pip said is above.", file=sys.stderr)
        return 1
    STAMP.write_text(wanted)
    return 0


def _with_uv() -> bool:
    entry = re.search(r"^uv==.*?(?=^\S)", LOCK.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    if entry is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        only_uv = Path(folder) / "uv.txt"
        only_uv.write_text(entry[0], encoding="utf-8")
        if subprocess.run([*PIP, "-r", str(only_uv)], capture_output=True, check=False).returncode != 0:
            return False
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    installed = subprocess.run([*uv, "--require-hashes", "-r", str(LOCK)], capture_output=True, check=False)
    return installed.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
