#!/bin/bash
# samhq batch with torchrun, on one machine or many: every process takes its own GPU and its own part of the shards.
# Run it on every machine with: NODES=2 HEAD=machine-0:29500 bash examples/cluster/torchrun.sh /data/job
# Exit code 1: pictures of a part that ran on this machine failed; the other parts were finished all the same.
set -euo pipefail
export JOB=${1:?the folder that samhq batch plan made}
export FAILED=$(mktemp -d)
trap 'rm -r "$FAILED"' EXIT

# A part with failed pictures ends with 1. torchrun would end the other parts then, so the 1 is kept until all are done.
part() {
    local code=0
    samhq batch run "$JOB" --engine static --shard "$RANK/$WORLD_SIZE" || code=$?
    if [ "$code" = 1 ]; then touch "$FAILED/$RANK"; else return "$code"; fi
}
export -f part

torchrun --nnodes "${NODES:-1}" --nproc-per-node "${GPUS:-8}" \
    --rdzv-backend c10d --rdzv-endpoint "${HEAD:-localhost:29500}" --rdzv-id samhq \
    --no-python bash -c part

samhq batch status "$JOB"
[ -z "$(ls "$FAILED")" ]
