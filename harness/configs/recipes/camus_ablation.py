# echobench ablate modules --dataset camus --root PATH --views 4CH --clip ed_es --allow-partial
# camus_small cut short for many runs of one model on the two stills of each CAMUS clip: 96 px, 300 iterations; for the rank
# of variants, not their best. Time: about two and a half minutes of one core per run of the small GDKVM.
_base_ = ["./camus_small.py"]
recipe = dict(
    image_size=96,
    iterations=300,
    schedule=dict(type="cosine"),
    val_interval=75,
    checkpoint_interval=75,
    log_interval=10,
)
