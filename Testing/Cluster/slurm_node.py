"""A Slurm of one node on this computer, with a munge of its own: for tests, and to try `--cluster slurm`.

    python Testing/Cluster/slurm_node.py -- livertumor segment CT --out DIR --cluster slurm --worker-memory 4GiB

starts it, runs the command, and stops it. Needs root and Debian's slurm-wlm and munge.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo", "sbatch")
_CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmUser=root
SlurmdUser=root
ReturnToService=2
MpiDefault=none
NodeName={host} CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class NoSlurm(Exception):
    """There is no Slurm here, or it does not start; the message says why."""


@contextlib.contextmanager
def slurm_of_one_node(folder: Path) -> Iterator[dict[str, str]]:
    """Start a Slurm whose files lie in an empty folder; gives the environment variables of its users. Raises
    NoSlurm."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        raise NoSlurm(f"{', '.join(missing)} not installed" if missing else "only root can start a Slurm")
    folder.chmod(0o755)  # munge lets nobody but root and its user write where its socket is
    for name in ("state", "spool"):
        (folder / name).mkdir()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    told = {"host": socket.gethostname(), "folder": folder, "ports": _free_ports(2), "cpus": os.cpu_count()}
    configuration = folder / "slurm.conf"
    configuration.write_text(_CONFIGURATION.format(memory=int(0.9 * memory), **told))
    environment = {"SLURM_CONF": str(configuration)}
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    files = {"key-file": key, "socket": folder / "munge.socket", "pid-file": folder / "munged.pid"}
    files |= {"log-file": folder / "munged.log", "seed-file": folder / "munged.seed"}
    munged = ["munged", "--force", "--foreground", *(f"--{name}={path}" for name, path in files.items())]
    with contextlib.ExitStack() as stack:
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D"]):
            with open(folder / f"{command[0]}.out", "wb") as out:
                process = subprocess.Popen(command, env=os.environ | environment, stdout=out, stderr=out)
            stack.callback(_end, process)
            time.sleep(0.5)
        _await_idle(folder, environment)
        yield environment


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]


def _await_idle(folder: Path, environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        command = ["sinfo", "--noheader", "--format=%t"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            said = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=20)
            if said.stdout.strip() == "idle":
                return
        time.sleep(0.5)
    logs = [line for path in sorted(folder.glob("*.log")) for line in path.read_text(errors="replace").splitlines()]
    raise NoSlurm("it does not start: " + next((line for line in reversed(logs) if "error" in line), "nobody says why"))


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> int:
    """Run a command beside a Slurm of one node."""
    with tempfile.TemporaryDirectory() as folder, slurm_of_one_node(Path(folder)) as environment:
        return subprocess.call(sys.argv[sys.argv.index("--") + 1 :], env=os.environ | environment)


if __name__ == "__main__":
    sys.exit(main())
