# echobench bench --dataset camus --root PATH --views 4CH --clip cine --allow-partial
# camus_sequences on clips made from the stills (docs/cine.md), whose every frame has a mask.
# Time: four times that of the stills per iteration. Expected: not measured yet; a figure belongs here once a suite has run.
_base_ = ["./camus_sequences.py"]
