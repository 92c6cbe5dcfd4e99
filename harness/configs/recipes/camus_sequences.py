# echobench bench --dataset camus --root PATH                       (clip half; EchoNet: --dataset echonet)
# Small models on sequences: eight frames of each in training, every frame at test, streaming. Masks that nobody drew
# supervise nothing. Time: four times that of camus_small per iteration; not measured on real sequences.
_base_ = ["./camus_small.py"]
recipe = dict(clip_length=8, test_clip_length="whole", batch_size=4)
