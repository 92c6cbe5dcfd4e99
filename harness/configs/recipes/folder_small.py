# echobench bench --dataset folder --root ROOT
# Small models on data of one's own: eight frames of each clip in training, every frame at test, whatever is labelled.
# Time: about 0.2 s per iteration and model on two cores. Expected: depends on the data; nothing is promised here.
_base_ = ["./camus_small.py"]
recipe = dict(clip_length=8, test_clip_length="whole", batch_size=4)
