# echobench ablate memory                                            (make ablate STUDY=memory)
# Does a memory help, and when? Memories of GDKVM, XMem, STM, a filter, time convolved, and no memory at all, against the length of
# the training clips; three seeds: 40 variants, 120 runs, of which those of GDKVM at eight frames are runs of `modules` and
# `update_rule`. Whole sequences at test; with --clip beats three whole beats in one stream, so that the state is carried over them.
# Time: not measured; two to three minutes of one core per run were measured with six frames, so expect six hours on two idle cores.
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
                "U-Net + median filter": {"model": "unet_filtered"},
                "3-D U-Net": {"model": "unet_3d"},
            },
        ),
    ),
)
