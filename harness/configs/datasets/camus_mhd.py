# echobench bench --dataset camus_mhd --root PATH --split-dir LISTS
# CAMUS, old mhd/raw release: other masks and EF than the NIfTI release; needs split lists of one's own.
_base_ = ["./camus.py"]
dataset = dict(type="CamusMhd", clip="ed_es")
