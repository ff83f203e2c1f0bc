#!/bin/bash
# A training on four nodes: sbatch deploy/slurm.sh. Each node runs one torchrun, which begins a process for every core.
# Two minutes before its time is up the run writes a checkpoint and ends; the job queued again goes on with --resume.
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --signal=TERM@120
set -eu
out=/shared/runs/book
if [ -e "$out/config.json" ]; then
    asked=(--out "$out" --resume)
else
    asked=(/shared/book.txt --batch 2048 --out "$out")
fi
srun torchrun --nnodes "$SLURM_NNODES" --nproc-per-node "$SLURM_CPUS_PER_TASK" --max-restarts 3 \
    --rdzv-id "$SLURM_JOB_ID" --rdzv-backend c10d \
    --rdzv-endpoint "$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):29500" \
    -m throughtime train text "${asked[@]}"
