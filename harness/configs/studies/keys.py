# echobench ablate keys                                              (make ablate STUDY=keys)
# Keys and state, one deviation from the reference at a time: 8 variants, 24 runs with three seeds.
study = dict(
    kind="single",
    model="gdkvm",
    seeds=[0, 1, 2],
    recipes=dict(phantom="phantom_ablation", camus_ed_es="camus_ablation"),
    factors=dict(
        scale=dict(
            label="Key scale",
            levels=dict(bound={}, none={"models.gdkvm.key_scale": "none"}, l2={"models.gdkvm.key_scale": "l2"}),
        ),
        width=dict(
            label="State rows",
            levels={"64": {}, "32": {"models.gdkvm.key_width": 32}, "128": {"models.gdkvm.key_width": 128}},
        ),
        heads=dict(
            label="Gate heads",
            levels={"8": {}, "1": {"models.gdkvm.heads": 1}, "32": {"models.gdkvm.heads": 32}},
        ),
        pixel=dict(
            label="Pixel feature",
            levels=dict(current={}, stale={"models.gdkvm.value_pixel_feature": "stale"}),
        ),
    ),
)
