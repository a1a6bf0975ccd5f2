"""Feed changed copies of valid files to everything that takes files: python Testing/Fuzz/fuzz.py --inputs N --seconds S
[TARGET ...]

Each target runs in a child that is bounded for each input: HANG_S of computing time, and MEMORY beyond what it had at
its start. What raises anything but a LiverTumorError, crashes, hangs, swells, or is read as something else than was
written is a finding: the file is kept in --findings, and the child continues with the next input. The same seed and
number give the same input.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from targets import TARGETS

HANG_S, MEMORY = 5.0, 1 << 30
_STARTED = "started"


def run_target(name: str, inputs: int, seconds: float, seed: int, findings: Path) -> tuple[int, list[str]]:
    """Fuzz one target; returns the number of inputs and what was found."""
    found: list[str] = []
    done, deadline = 0, time.monotonic() + seconds
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        while done < inputs and (left := deadline - time.monotonic()) > 0:
            words = [
                sys.executable,
                __file__,
                "--child",
                folder,
                "--from",
                str(done),
                "--inputs",
                str(inputs),
                "--seconds",
                str(left),
            ]
            child = subprocess.run(
                [*words, "--seed", str(seed), name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            lines = child.stdout.splitlines()
            done = max([done, *(int(line.split()[1]) + 1 for line in lines if line.startswith(_STARTED))])
            if child.returncode == 0:
                break
            what = (
                lines[-1]
                if child.returncode == 1 and lines and not lines[-1].startswith(_STARTED)
                else _ended(child.returncode)
            )
            if not any(line.startswith(_STARTED) for line in lines):
                raise RuntimeError(f"{name} cannot be started at input {done}")
            found.append(_keep(findings, name, seed, done - 1, Path(folder), what))
    return done, found


def _ended(code: int) -> str:
    number = signal.Signals(-code) if code < 0 else None
    return (
        f"hang of more than {HANG_S:g} s"
        if number == signal.SIGPROF
        else f"crash ({number.name if number else f'exit code {code}'})"
    )


def _keep(findings: Path, name: str, seed: int, number: int, folder: Path, what: str) -> str:
    findings.mkdir(parents=True, exist_ok=True)
    file = Path((folder / "changed").read_text())
    shutil.copy(file, findings / f"{name}-{seed}-{number}-{file.name}")
    return f"{name} {seed} {number}: {what}"


def _child(name: str, first: int, inputs: int, seconds: float, seed: int, folder: Path) -> int:
    """Take inputs until there is a finding; prints the number of each before, so that a crash can be told."""
    from LiverTumorLib.errors import LiverTumorError

    target, deadline = TARGETS[name], time.monotonic() + seconds
    shutil.rmtree(folder / "input", ignore_errors=True)
    (folder / "input").mkdir()
    path = target.make(folder / "input")
    (folder / "changed").write_text(str(path))
    original = path.read_bytes()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    target.take(path)  # loads what it needs, and sees that the input is valid
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in range(first, inputs):
        if time.monotonic() > deadline:
            break
        path.write_bytes(target.mutate(original, Random(f"{seed} {name} {number}")))
        os.write(1, f"{_STARTED} {number}\n".encode())
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        try:
            target.take(path)
        except LiverTumorError as error:
            if not str(error).strip() or "\n" in str(error):
                return _tell(f"no sentence: {error!r}")
        except MemoryError:
            return _tell(f"more than {MEMORY >> 20} MB")
        except Exception as error:
            trace = error.__traceback__
            while trace.tb_next:
                trace = trace.tb_next
            return _tell(
                f"{type(error).__name__}: {str(error)[:150]!r} "
                f"({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
            )
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return 0


def _tell(what: str) -> int:
    os.write(1, f"{what}\n".encode("utf-8", "replace"))
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--inputs", type=int, default=1000, metavar="N", help="of each target (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=60, metavar="S", help="for each target at most (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the changes (default: %(default)s)")
    parser.add_argument(
        "--findings",
        type=Path,
        default=Path("fuzz-findings"),
        metavar="DIR",
        help="where findings go (default: %(default)s)",
    )
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--from", type=int, default=0, dest="first", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"unknown target {sorted(unknown)[0]}")
    if arguments.child:
        return _child(
            arguments.targets[0], arguments.first, arguments.inputs, arguments.seconds, arguments.seed, arguments.child
        )
    total, all_found = 0, []
    for name in arguments.targets or TARGETS:
        begin = time.monotonic()
        done, found = run_target(name, arguments.inputs, arguments.seconds, arguments.seed, arguments.findings)
        print(
            f"{name}: {done} inputs in {time.monotonic() - begin:.0f} s, {len(found)} findings",
            *found,
            sep="\n  ",
            flush=True,
        )
        total, all_found = total + done, all_found + found
    print(f"{total} inputs, {len(all_found)} findings")
    return 1 if all_found else 0


if __name__ == "__main__":
    sys.exit(main())
