#!/usr/bin/env bash
# A Ray cluster within a Slurm job, and a search on it: sbatch slurm.sh
#SBATCH --job-name vitnas
#SBATCH --nodes 4
#SBATCH --ntasks-per-node 1
#SBATCH --cpus-per-task 16
#SBATCH --gpus-per-task 1
#SBATCH --time 12:00:00
#SBATCH --signal B:TERM@120
set -euo pipefail

# An environment with vitnas, and runs/ and photos/, on a drive that all nodes see.
source "$HOME/vitnas/.venv/bin/activate"
cd "$SLURM_SUBMIT_DIR"

# Strangers on the network start nothing here.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN="$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')"

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head="$(srun --nodes 1 --ntasks 1 --nodelist "${nodes[0]}" hostname --ip-address | awk '{print $1}')"
port=$((20000 + SLURM_JOB_ID % 20000)) # several jobs may share a node

srun --nodes 1 --ntasks 1 --nodelist "${nodes[0]}" \
  ray start --head --node-ip-address "$head" --port "$port" --include-dashboard false --block &
sleep 20
if [ "${#nodes[@]}" -gt 1 ]; then
  others="$(IFS=,; echo "${nodes[*]:1}")"
  srun --nodes $((${#nodes[@]} - 1)) --ntasks $((${#nodes[@]} - 1)) --nodelist "$others" \
    ray start --address "$head:$port" --block &
  sleep 20
fi

# Cut off by the end of the job, the same script goes on where it stopped.
vitnas search --run runs/photos --device iphone12 --workers 64 --ray-address "$head:$port" &
search=$!
trap 'kill -TERM "$search"; wait "$search"' TERM
wait "$search"
