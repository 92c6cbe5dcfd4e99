#!/usr/bin/env bash
# A real nnU-Net v2 beside the models of echobench, on the phantom and the CPU. Every step is a command of nnU-Net's or ours.
#
#   python -m venv nnunet-env && nnunet-env/bin/pip install nnunetv2      an environment of its own: it may need another torch
#   examples/nnunet/run.sh ROOT REPORT [NNUNET_BIN] [ECHOBENCH]
#
# ROOT    a phantom (echobench phantom ROOT), the one that REPORT was benched with
# REPORT  a report of `echobench bench`, in which nnU-Net's row shall stand
#
# EPOCHS and ITERATIONS (of each epoch) are 2 and 10: nnU-Net's own are 1000 and 250. Its numbers then mean nothing.
set -euo pipefail
root=$1 report=$2 bin=${3:-nnunet-env/bin} echobench=${4:-echobench}
here=$(cd "$(dirname "$0")" && pwd)

export nnUNet_raw=$PWD/nnUNet_raw nnUNet_preprocessed=$PWD/nnUNet_preprocessed nnUNet_results=$PWD/nnUNet_results
export nnUNet_extTrainer=$here          # where nnUNetTrainerFew lies
export nnUNet_compile=f nnUNet_n_proc_DA=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export EPOCHS=${EPOCHS:-2} ITERATIONS=${ITERATIONS:-10}
mkdir -p "$nnUNet_raw" "$nnUNet_preprocessed" "$nnUNet_results"

data=Dataset501_Phantom
[ -d "$nnUNet_raw/$data" ] || "$echobench" data export "$nnUNet_raw" --format nnunet --dataset phantom --root "$root"
"$bin/nnUNetv2_plan_and_preprocess" -d 501 -c 2d -np 1 -npfp 1 --verify_dataset_integrity
cp "$nnUNet_raw/$data/splits_final.json" "$nnUNet_preprocessed/$data/"      # our validation patients, not nnU-Net's five folds
"$bin/nnUNetv2_train" 501 2d 0 -device cpu -tr nnUNetTrainerFew
"$bin/nnUNetv2_predict" -d 501 -c 2d -f 0 -tr nnUNetTrainerFew -device cpu -npp 0 -nps 0 --disable_tta \
    -i "$nnUNet_raw/$data/imagesTs" -o predictions
"$echobench" score predictions --label nnU-Net --report "$report" --map "$nnUNet_raw/$data/cases.csv"
