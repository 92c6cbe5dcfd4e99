# echobench ablate modules --dataset phantom
# phantom_small cut short for many runs of one model: 96 px, 160 iterations; for the rank of variants, not their best. Six
# frames per clip, so that the memory is written five times before the last frame is read, and keeps what it should forget.
# Time: two to three minutes of one core per run of the small GDKVM; `modules` and `update_rule`, 30 runs, 86 minutes of one busy core.
_base_ = ["./phantom_small.py"]
recipe = dict(
    image_size=96,
    clip_length=6,
    test_clip_length=6,
    batch_size=3,
    iterations=160,
    schedule=dict(warmup=10),
    val_interval=40,
    checkpoint_interval=40,
)
