# echobench ablate modules --dataset phantom
# Short trainings for many runs of one model: 160 iterations of two clips at 96 px; for the rank of variants, not their best. Eight
# frames per clip, so that the memory is written seven times before the last frame is read, and keeps what it should forget;
# tested on whole sequences.
# Time: with six frames and three clips it was two to three minutes of one core per run of the small GDKVM.
_base_ = ["./phantom_small.py"]
recipe = dict(
    image_size=96,
    clip_length=8,
    batch_size=2,
    iterations=160,
    schedule=dict(warmup=10),
    val_interval=80,
    checkpoint_interval=80,
)
