#!/bin/bash
# A pool of workers as a Slurm array: sbatch --export=TANDEM_SERVER=http://head:8080,TANDEM_TOKEN_FILE=$HOME/.tandem/worker slurm_workers.sh
# Each task is one worker; it leaves when there was nothing to do for five minutes, and its place in the allocation is free again.
#SBATCH --job-name=tandem-worker
#SBATCH --array=0-7
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=tandem-worker-%A_%a.log
# Two minutes before the limit: USR1 to the batch shell (B:), which by then is the worker itself, because of the exec below.
# It finishes the step, uploads the checkpoint, gives the job back at no cost and exits 0. Without B: only srun steps would get it.
#SBATCH --signal=B:USR1@120
set -eu
cache=${TANDEM_CACHE_DIR:-${TMPDIR:-/tmp}/tandem-$USER} # on the node's own disk; workers of one node share it
exec tandem-worker --name "$(hostname -s)-${SLURM_ARRAY_JOB_ID:-0}_${SLURM_ARRAY_TASK_ID:-0}" --cache-dir "$cache" \
    --threads "${SLURM_CPUS_PER_TASK:-1}" --exit-when-idle 300 ${TANDEM_DATA_ROOT:+--data-root "$TANDEM_DATA_ROOT"}
