# echobench ablate update_rule                                       (make ablate STUDY=update_rule)
# What the state's update is made of, three seeds: 7 variants, 21 runs, of which 6 are those of `modules` (the full model
# and the plain sum). The first level of a factor is the reference.
study = dict(
    kind="grid",
    model="gdkvm",
    seeds=[0, 1, 2],
    recipes=dict(phantom="phantom_ablation", camus_ed_es="camus_ablation"),
    factors=dict(
        rule=dict(
            label="Update rule",
            levels={
                "gated": {},  # alpha (S - beta K K^T S) + beta K V^T, keys scaled so that no update expands
                "no alpha": {"models.gdkvm.update_rule": "delta"},
                "no beta": {"models.gdkvm.update_rule": "decay"},
                "sum": {"models.gdkvm.gdr": False},
                "token": {"models.gdkvm.update_rule": "token"},  # the delta rule pixel by pixel
                # the arithmetic of the two published versions: softmax keys as they are, last frame's pixel feature
                "re-release": {
                    "models.gdkvm.update_rule": "gated",
                    "models.gdkvm.key_scale": "none",
                    "models.gdkvm.value_pixel_feature": "stale",
                },
                "release": {
                    "models.gdkvm.update_rule": "released",
                    "models.gdkvm.key_scale": "none",
                    "models.gdkvm.value_pixel_feature": "stale",
                },
            },
        ),
    ),
)
