"""A command line like `livertumor` whose trainer's commands only write small files, for the tests of the workflow that
runs them.

python fake_stages.py compress …    the real command, with this file in place of `livertumor` for the stages
python fake_stages.py COMMAND …     a stage: notes that it ran in calls.txt of the folder LIVERTUMOR_FAKE, then does
what
                                    the file named like the command there says: "fail", "hang", or nothing
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

NOTES = Path(os.environ.get("LIVERTUMOR_FAKE", "."))


def stage(words: list[str]) -> int:
    """Write into the folder that the real command would; returns the exit code."""
    name = words[0]
    out = Path(words[1]) / "quantized" if name == "quantize" else Path(words[words.index("--out") + 1])
    with open(NOTES / "calls.txt", "a", encoding="utf-8") as file:
        file.write(f"{name}{'+' if (out / 'half.txt').exists() else ''}\n")
    out.mkdir(parents=True, exist_ok=True)
    (out / "half.txt").write_text("made in a first part")
    for fraction in (0.5, 1.0):
        event = {
            "event": "progress",
            "stage": name,
            "fraction": fraction,
            "message": f"half {fraction}",
            "remaining_s": None,
        }
        print(json.dumps(event | {"metrics": {"loss": 1 - fraction}}), flush=True)
    print("something to keep in the log", file=sys.stderr, flush=True)
    what = (NOTES / name).read_text() if (NOTES / name).exists() else ""
    if what == "fail":
        print(f"livertumor: {name} has no more space.", file=sys.stderr)
        return 4
    if what == "hang":
        hang()
    (out / "whole.txt").write_text("complete")
    print(json.dumps({"event": "result", "folder": str(out)}), flush=True)
    return 0


def hang() -> None:
    """Be busy, with a busy child in a group of its own for which nobody cares, and deaf to SIGTERM; their ids go into
    pids.txt."""
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass"
    child = subprocess.Popen([sys.executable, "-c", deaf])
    (NOTES / "pids.tmp").write_text(f"{os.getpid()} {child.pid}")
    os.replace(NOTES / "pids.tmp", NOTES / "pids.txt")
    while True:
        time.sleep(0.01)


if __name__ == "__main__":
    if sys.argv[1] == "compress":
        from CompressionTrainerLib.environment import child
        from LiverTumorLib.cli import main

        child.PROGRAM = (sys.executable, __file__)
        sys.exit(main())
    sys.exit(stage(sys.argv[1:]))
