"""The published training of SAM-HQ's heads on HQSeg-44K, on the GPUs of a Ray cluster.

Run it with: python examples/cluster/hqseg_ray_train.py --data /data/hqseg44k --output /data/runs/hq --workers 8
Needs samhq[train] and ray[train] on every machine, and folders that all machines see. A run that lost a machine goes on
from its last state, at most five minutes old.
"""

import argparse
from pathlib import Path

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

import samhq


def train_here(settings: dict) -> None:
    """Trains in one process of the cluster. Ray has connected the processes; Accelerate finds that."""
    resume = Path(settings["output"], "state.pt").exists()
    samhq.train(samhq.TrainConfig(**settings, resume=resume))


def main() -> None:
    """Starts a process for each GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of HQSeg-44K, or any data that samhq train takes")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--init", default="sam_vit_l")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--epochs", type=float, default=12)
    flags = parser.parse_args()
    hqseg = Path(flags.data).is_dir()
    settings = {
        "mode": "hq",
        "preset": "paper",
        "init": flags.init,
        "data": f"hqseg44k:train@{flags.data}" if hqseg else flags.data,
        "validation": f"hqseg44k:val@{flags.data}" if hqseg else flags.data,
        "output": str(flags.output.absolute()),
        "epochs": flags.epochs,
        "accumulate": max(1, 8 // flags.workers),  # the recipe: eight batches of four a step
        "device": flags.device,
        "precision": "bfloat16" if flags.device == "cuda" else "float32",
    }
    trainer = TorchTrainer(
        train_here,
        train_loop_config=settings,
        scaling_config=ScalingConfig(num_workers=flags.workers, use_gpu=flags.device == "cuda"),
        run_config=RunConfig(failure_config=FailureConfig(max_failures=3)),
    )
    trainer.fit()


if __name__ == "__main__":
    main()
