#!/usr/bin/env bash
# A network of MONAI beside the models of echobench, on the phantom and the CPU.
#
#   python -m venv monai-env && monai-env/bin/pip install monai pillow      an environment of its own: echobench needs neither
#   examples/monai/run.sh ROOT REPORT [PYTHON] [ECHOBENCH]
#
# ROOT    a phantom (echobench phantom ROOT), the one that REPORT was benched with
# REPORT  a report of `echobench bench`, in which MONAI's row shall stand
#
# STEPS of the training are 60 unless set. Its numbers then mean nothing.
# EVERY=7 hands over each seventh labelled frame of a sequence, and ED and ES, instead of all.
set -euo pipefail
root=$1 report=$2 python=${3:-monai-env/bin/python} echobench=${4:-echobench}
here=$(cd "$(dirname "$0")" && pwd)

step() {
    local name=$1 began=$SECONDS
    shift
    "$@"
    echo "== $name: $((SECONDS - began)) s"
}

[ -d exported ] || step export "$echobench" data export exported --format png --dataset phantom --root "$root" --every "${EVERY:-1}"
step "train and predict" "$python" "$here/train.py" exported predictions-monai "${STEPS:-60}"
step score "$echobench" score predictions-monai --label "MONAI U-Net" --report "$report"
