"""The files for clusters: what they start is understood, and does the whole job."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from string import Template
from types import ModuleType, SimpleNamespace

import pytest
from tests import tiny
from tests.batch.sharding import check, planned, shard_files

from samhq.checkpoint.save import save_model
from samhq.cli.main import app

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "cluster"
SCRIPTS = sorted(path for path in FOLDER.iterdir() if path.suffix in (".sh", ".sbatch"))
#: What schedulers and people set.
VALUES = {"JOB": "job", "SLURM_PROCID": "3", "SLURM_NTASKS": "16", "RANK": "3", "WORLD_SIZE": "16", "ACTORS": "16"}
VALUES |= {"JOB_COMPLETION_INDEX": "3", "PRICE": "32", "DATA": "/data", "OUTPUT": "/runs"}


def commands(text: str) -> list[list[str]]:
    """The words after `samhq` of every command of a script, also quoted ones and `-m samhq`."""
    lines = [line.strip().partition(" || ")[0] for line in text.replace("\\\n", " ").splitlines()]
    joined = "\n".join(line for line in lines if not line.startswith("#"))
    plain = re.sub(r'"\$\{RESUME\[@\]\}"', "", re.sub(r"\$\{(\w+):-[^}]*\}", r"$\1", joined.replace("\\$", "$")))
    quoted = re.findall(r"-c \"samhq (.*)\"$", plain, re.MULTILINE)
    found = quoted + re.findall(r"^(?:.*-m )?samhq (.*)$", plain, re.MULTILINE)
    return [shlex.split(Template(words).substitute(VALUES)) for words in found]


def kubernetes() -> dict:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((FOLDER / "kubernetes.yaml").read_text())


def test_every_file_is_on_the_page() -> None:
    page = (ROOT / "docs" / "batch.md").read_text()
    assert [path.name for path in sorted(FOLDER.iterdir()) if path.is_file() and f"`{path.name}`" not in page] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash_and_their_commands_are_understood(path: Path) -> None:
    bash = shutil.which("bash") or pytest.skip("no bash here")
    subprocess.run([bash, "-n", str(path)], check=True)
    text = path.read_text()
    assert f"examples/cluster/{path.name}" in text, "the command that runs it"
    found = commands(text)
    assert found
    for words in found:
        app.parse_args(words)


def test_the_pods_of_kubernetes_share_the_shards_out() -> None:
    job = kubernetes()
    assert (job["apiVersion"], job["kind"], job["spec"]["completionMode"]) == ("batch/v1", "Job", "Indexed")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (line,) = container["args"]
    assert container["command"] == ["bash", "-c"]
    assert f'--shard "$JOB_COMPLETION_INDEX/{job["spec"]["completions"]}"' in line
    (words,) = [shlex.split(Template(line).substitute(VALUES))]
    assert words[0] == "samhq"
    app.parse_args(words[1:])
    names = {mount["name"] for mount in container["volumeMounts"]}
    assert names <= {volume["name"] for volume in job["spec"]["template"]["spec"]["volumes"]}


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod((folder / name).stat().st_mode | stat.S_IXUSR)


def run_script(
    name: str, folder: Path, *arguments: str, stand_in: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs a script with `samhq`, or what stands in for it there, and this environment's programs on the path."""
    if not stand_in:
        program(folder / "bin", "samhq", f'#!/bin/bash\nexec "{sys.executable}" -m samhq "$@"\n')
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"} | variables
    command = ["bash", str(FOLDER / name), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)


#: In place of samhq: part 1 has failed pictures at once, part 0 is slower. FIRST is the code of part 1.
STAND_IN = """#!/bin/bash
[ "$2" = status ] && { echo "the status"; exit 0; }
case "${@: -1}" in
1/2) exit "$FIRST" ;;
0/2) sleep 2; touch "$3/part-0" ;;
esac
"""


@pytest.mark.parametrize("first", ["0", "1", "2"])
@pytest.mark.parametrize("name", [pytest.param("torchrun.sh", marks=pytest.mark.slow), "slurm.sbatch"])
def test_a_part_with_failed_pictures_does_not_end_the_others(name: str, first: str, tmp_path: Path) -> None:
    srun = '#!/bin/bash\nshift\nSLURM_NTASKS=2 SLURM_PROCID=1 "$@" && code=0 || code=$?\n'
    program(tmp_path / "bin", "srun", srun + 'SLURM_NTASKS=2 SLURM_PROCID=0 "$@"\nexit "$code"\n')
    program(tmp_path / "bin", "samhq", STAND_IN)
    variables = {"GPUS": "2", "HEAD": "localhost:0", "FIRST": first}
    result = run_script(name, tmp_path, str(tmp_path), stand_in=True, **variables)
    said = result.stdout + result.stderr
    if name == "torchrun.sh" and first == "2":  # Wrong use: no part can go on.
        assert result.returncode == 1, said
        assert not (tmp_path / "part-0").exists()
        return
    assert result.returncode == int(first), said
    assert (tmp_path / "part-0").exists(), said
    assert "the status" in result.stdout


@pytest.mark.slow
def test_slurm_does_the_whole_job(tmp_path: Path) -> None:
    job, undisturbed = planned(tmp_path), planned(tmp_path, "undisturbed")
    # A scheduler of two tasks; a task whose pictures fail ends with 1, as srun reports.
    srun = '#!/bin/bash\nshift\nSLURM_NTASKS=2 SLURM_PROCID=0 "$@"\nSLURM_NTASKS=2 SLURM_PROCID=1 "$@"\n'
    program(tmp_path / "bin", "srun", srun)
    run_script("slurm.sbatch", tmp_path, job.folder.address)
    run_script("slurm.sbatch", tmp_path, undisturbed.folder.address)
    check(job, shard_files(undisturbed))


@pytest.mark.slow
def test_torchrun_does_the_whole_job(tmp_path: Path) -> None:
    from samhq.batch.sharded import run_sharded

    job, undisturbed = planned(tmp_path), planned(tmp_path, "undisturbed")
    run_sharded(undisturbed.folder.address)
    result = run_script("torchrun.sh", tmp_path, job.folder.address, GPUS="2", HEAD="localhost:0")
    assert result.returncode == 1, "pictures failed"
    check(job, shard_files(undisturbed))


def test_the_ray_train_example_is_python() -> None:
    ast.parse((FOLDER / "hqseg_ray_train.py").read_text())


@pytest.mark.slow
def test_the_ray_train_example_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process in place of Ray's, and twice: the second run goes on from the state of the first."""
    pytest.importorskip("accelerate")
    pytest.importorskip("cv2")
    configs: list[dict] = []

    class Here:
        def __init__(
            self, loop: object, *, train_loop_config: dict, scaling_config: SimpleNamespace, **_: object
        ) -> None:
            self.run = lambda: loop(train_loop_config)
            configs.append({**train_loop_config, "processes": scaling_config.num_workers})

        def fit(self) -> None:
            self.run()

    train, torch = ModuleType("ray.train"), ModuleType("ray.train.torch")
    train.FailureConfig = train.RunConfig = train.ScalingConfig = SimpleNamespace
    torch.TorchTrainer = Here
    monkeypatch.setitem(sys.modules, "ray.train", train)
    monkeypatch.setitem(sys.modules, "ray.train.torch", torch)
    weights = save_model(tiny.shared(tiny.HQ), tmp_path / "tiny.safetensors")
    flags = ["--data", "scenes:2", "--init", str(weights or tmp_path / "tiny.safetensors"), "--device", "cpu"]
    for epochs in ("1", "2"):
        arguments = [*flags, "--output", str(tmp_path / "run"), "--workers", "1", "--epochs", epochs]
        monkeypatch.setattr(sys, "argv", ["hqseg_ray_train.py", *arguments])
        runpy.run_path(str(FOLDER / "hqseg_ray_train.py"), run_name="__main__")
    assert (tmp_path / "run" / "best.safetensors").is_file()
    assert [config["accumulate"] for config in configs] == [8, 8]
