# echobench ablate clip                                              (make ablate STUDY=clip)
# Length of the training clips and the first-frame protocol, three seeds: 6 variants, 18 runs.
# Every variant is tested on whole sequences; with the reference mask given, frame 0 is not scored, so compare
# protocols within one length only.
study = dict(
    kind="grid",
    model="gdkvm",
    seeds=[0, 1, 2],
    recipes=dict(phantom="phantom_ablation", camus_ed_es="camus_ablation"),
    factors=dict(
        length=dict(
            label="Clip length",
            levels={"8": {}, "2": {"recipe.clip_length": 2}, "4": {"recipe.clip_length": 4}},
        ),
        first=dict(label="First frame", levels=dict(auto={}, gt={"protocol.first_frame": "gt"})),
    ),
)
