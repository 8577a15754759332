"""A real Slurm of one node, started from the system's packages, for one test.

It lives in namespaces of its own: its network, so that no port is taken, its processes, which end with the first of
them, its name, and its /etc/slurm, where Slurm looks for its configuration. All that it writes lies in one folder.
"""

import importlib.util
import os
import shutil
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "unshare", "nsenter")
PLUGIN = "snakemake_executor_plugin_slurm"
NODE, N_CPUS, MEGABYTES = "node", 2, 16_000
ADDRESS = "10.0.0.1"  # where the only address is 127.0.0.1, Slurm finds none
SECONDS_TO_START = 30.0

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={node}({address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MinJobAge=300
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName={node} NodeAddr={address} CPUs={n_cpus} RealMemory={megabytes} State=UNKNOWN
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""

START = """\
set -e
hostname {node}
ip link set lo up
ip address add {address}/32 dev lo
mount --bind {folder}/etc /etc/slurm
mount --bind {folder}/etc/hosts /etc/hosts
munged --force --key-file {folder}/munge.key --socket {folder}/munge.socket --pid-file {folder}/munged.pid \
    --log-file {folder}/munged.log --seed-file {folder}/munged.seed
slurmctld -c
slurmd -c
touch {folder}/started
exec sleep infinity
"""  # munged is forced to have its socket in a folder that not everybody can reach, as those of tests are


def reason_to_skip() -> str:
    """Why no Slurm can be started here; empty where one can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)}: install Debian's slurm-wlm and munge"
    if importlib.util.find_spec(PLUGIN) is None:
        return f"no {PLUGIN}: pip install '.[slurm]'"
    if os.geteuid() != 0:
        return "slurmd and namespaces need root"
    allowed = subprocess.run([*_unshare(), "mount", "--bind", "/etc/slurm", "/etc/slurm"], capture_output=True)
    return "" if allowed.returncode == 0 else f"no namespaces: {allowed.stderr.decode().strip()}"


class Slurm:
    """A running cluster; `with Slurm(folder) as slurm` ends it, and every process in it, however the block ends."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self) -> "Slurm":
        known = {"folder": self.folder, "node": NODE, "address": ADDRESS, "n_cpus": N_CPUS, "megabytes": MEGABYTES}
        for name in ("etc", "state", "spool"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "etc/slurm.conf").write_text(CONFIGURATION.format(**known))
        (self.folder / "etc/hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} {NODE}\n")
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        self.log = (self.folder / "start.log").open("w")
        self.process = subprocess.Popen(
            [*_unshare(), "bash", "-c", START.format(**known)], stdout=self.log, stderr=self.log, start_new_session=True
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # and with it the first process of the namespace, and with that all others
        self.process.wait()
        self.log.close()

    def command(self, *command: str, cwd: Path) -> list[str]:
        """The command that runs another one on the cluster's node."""
        (child,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return ["nsenter", f"--target={child}", "--mount", "--net", "--uts", "--pid", f"--wd={cwd}", "--", *command]

    def run(self, *command: str, cwd: Path | None = None, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        inside = self.command(*command, cwd=cwd or self.folder)
        return subprocess.run(inside, capture_output=True, text=True, timeout=timeout)

    def _wait(self) -> None:
        end = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            if (self.folder / "started").exists() and "idle" in self.run("sinfo", "-h", "-o", "%T").stdout:
                return
            time.sleep(0.1)
        logs = [file.read_text()[-2_000:] for file in sorted(self.folder.glob("*.log"))]
        raise RuntimeError("Slurm did not start:\n" + "\n".join(logs))


def _unshare() -> list[str]:
    spaces = ["--mount", "--net", "--uts", "--pid", "--mount-proc"]
    return ["unshare", *spaces, "--fork", "--kill-child"]
