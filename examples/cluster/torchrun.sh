#!/bin/bash
# samhq batch with torchrun, on one machine or many: every process takes its own GPU and its own part of the shards.
# Run it on every machine with: NODES=2 HEAD=machine-0:29500 bash examples/cluster/torchrun.sh /data/job
set -euo pipefail
JOB=${1:?the folder that samhq batch plan made}

torchrun --nnodes "${NODES:-1}" --nproc-per-node "${GPUS:-8}" \
    --rdzv-backend c10d --rdzv-endpoint "${HEAD:-localhost:29500}" --rdzv-id samhq \
    --no-python bash -c "samhq batch run '$JOB' --engine static --shard \$RANK/\$WORLD_SIZE"
