# echobench bench --dataset camus --root PATH --clip cine --size paper
# The paper's schedule on clips made from the stills (docs/cine.md): ten frames in training, every frame at test.
# Time and expected figures: not measured; needs one CUDA device.
_base_ = ["./paper.py"]
recipe = dict(test_clip_length="whole")
