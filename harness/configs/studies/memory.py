# echobench ablate memory                                            (make ablate STUDY=memory)
# Does a memory help, and when? Memories of GDKVM, XMem, STM and no memory at all, against the length of the training clips;
# three seeds: 32 variants, 96 runs, of which those at eight frames are runs of `modules` and `update_rule`. Whole sequences at test.
# Time: two to three minutes of one core per run at 8 frames, twice that at 16: about five hours on two idle cores.
# Then, on the finished runs, faults that pass: echobench robustness run --runs ... --when passing:2 (4, 8), see docs/video.md.
study = dict(
    kind="grid",
    model="gdkvm",
    seeds=[0, 1, 2],
    recipes=dict(phantom="phantom_ablation"),
    factors=dict(
        length=dict(
            label="Clip length",
            levels={
                "8": {},
                "2": {"recipe.clip_length": 2, "recipe.batch_size": 8},  # the same number of frames per iteration
                "4": {"recipe.clip_length": 4, "recipe.batch_size": 4},
                "16": {"recipe.clip_length": 16, "recipe.batch_size": 1},
            },
        ),
        memory=dict(
            label="Memory",
            levels={
                "GDKVM": {},
                "none in GDKVM": {"models.gdkvm.lkva": False},
                "plain sum": {"models.gdkvm.gdr": False},
                "delta only": {"models.gdkvm.update_rule": "delta"},
                "decay only": {"models.gdkvm.update_rule": "decay"},
                "XMem": {"model": "xmem"},
                "STM": {"model": "stm"},
                "U-Net": {"model": "unet"},
            },
        ),
    ),
)
