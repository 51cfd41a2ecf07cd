#!/bin/bash
# samhq batch on a Ray cluster that is there. Ray moves shards from machines that die to others.
# Every machine needs samhq[ray], and reaches the job's folder and the weights under the same names.
# The cluster: ray start --head --port 6379    and on every other machine: ray start --address HEAD:6379
# Run it on the head with: ACTORS=16 bash examples/cluster/ray.sh s3://bucket/job
set -euo pipefail
JOB=${1:?the folder that samhq batch plan made}

set +e # Exit code 1 says that pictures failed: the next line tries them again.
samhq batch run "$JOB" --engine ray --address auto --workers "${ACTORS:-16}" --gpus 1 --price-per-hour "${PRICE:-32}"
samhq batch run "$JOB" --engine ray --address auto --workers "${ACTORS:-16}" --gpus 1 --retry-errors
samhq batch status "$JOB"
