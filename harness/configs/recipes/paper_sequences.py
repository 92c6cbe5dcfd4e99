# echobench bench --dataset camus --root PATH --size paper
# The paper's schedule on sequences: ten frames in training, every frame at test (the recipe `paper` resamples them to ten).
# Time and expected figures: not measured; needs one CUDA device.
_base_ = ["./paper.py"]
recipe = dict(test_clip_length="whole")
