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
# EVERY=7 hands over each seventh labelled frame of a sequence, and ED and ES, instead of all.
# SPACING=4 lets nnU-Net plan for images of a quarter of the width and MEMORY (GB, 0.3) for small batches, which a CPU can bear;
# left out, both are nnU-Net's own.
set -euo pipefail
root=$1 report=$2 bin=${3:-nnunet-env/bin} echobench=${4:-echobench}
here=$(cd "$(dirname "$0")" && pwd)

export nnUNet_raw=$PWD/nnUNet_raw nnUNet_preprocessed=$PWD/nnUNet_preprocessed nnUNet_results=$PWD/nnUNet_results
export nnUNet_extTrainer=$here          # where nnUNetTrainerFew lies
export nnUNet_compile=f nnUNet_n_proc_DA=${nnUNet_n_proc_DA:-1} OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export EPOCHS=${EPOCHS:-2} ITERATIONS=${ITERATIONS:-10}
mkdir -p "$nnUNet_raw" "$nnUNet_preprocessed" "$nnUNet_results"

plan=() use=()
if [ -n "${SPACING:-}" ]; then
    plan=(-overwrite_target_spacing 999 "$SPACING" "$SPACING" -gpu_memory_target "${MEMORY:-0.3}" -overwrite_plans_name nnUNetPlansSmall)
    use=(-p nnUNetPlansSmall)
fi

# Each step says what it took, since that is what a reader of the table wants to know first.
step() {
    local name=$1 began=$SECONDS
    shift
    "$@"
    echo "== $name: $((SECONDS - began)) s"
}

data=Dataset501_Phantom
[ -d "$nnUNet_raw/$data" ] || step export "$echobench" data export "$nnUNet_raw" --format nnunet --dataset phantom --root "$root" --every "${EVERY:-1}"
# Our validation patients as the only fold, not five folds of nnU-Net's. The file is written last: a run that was stopped goes on behind it.
splits=$nnUNet_preprocessed/$data/splits_final.json
[ -f "$splits" ] || step plan "$bin/nnUNetv2_plan_and_preprocess" -d 501 -c 2d -np 1 -npfp 1 --verify_dataset_integrity "${plan[@]}"
cp "$nnUNet_raw/$data/splits_final.json" "$splits"
trained=$nnUNet_results/$data/nnUNetTrainerFew__${use[1]:-nnUNetPlans}__2d/fold_0/checkpoint_final.pth
[ -f "$trained" ] || step train "$bin/nnUNetv2_train" 501 2d 0 -device cpu -tr nnUNetTrainerFew "${use[@]}"
# ED and ES are scored; of the other frames no mask is needed.
mkdir -p scored
awk -F, '$4 == "test" && ($5 == "ED" || $5 == "ES") { print $1 }' "$nnUNet_raw/$data/cases.csv" | while read -r name; do
    ln -sf "$nnUNet_raw/$data/imagesTs/${name}_0000.png" scored/
done
step predict "$bin/nnUNetv2_predict" -d 501 -c 2d -f 0 -tr nnUNetTrainerFew "${use[@]}" -device cpu -npp 0 -nps 0 --disable_tta \
    -i scored -o predictions
step score "$echobench" score predictions --label nnU-Net --report "$report" --map "$nnUNet_raw/$data/cases.csv"
