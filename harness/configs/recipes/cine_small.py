# echobench bench --dataset camus --root PATH --views 4CH --clip cine --allow-partial
# Small models on clips made from the stills (docs/cine.md): eight frames of each clip in training, every frame at test, streaming.
# Time: four times that of the stills per iteration. Expected: not measured yet; a figure belongs here once a suite has run.
_base_ = ["./camus_small.py"]
recipe = dict(clip_length=8, test_clip_length="whole", batch_size=4)
