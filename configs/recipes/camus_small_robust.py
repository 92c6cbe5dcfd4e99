# echobench bench --dataset camus --root PATH --views 4CH --clip ed_es --allow-partial --recipe camus_small_robust --models gdkvm,unet --name camus-small-robust
# camus_small with half of the clips perturbed in training. Eight of the sixteen perturbations are seen, eight are not:
# each kind of fault (noise, machine settings, artefacts, export) has members on both sides.
# Time: that of camus_small and the perturbing, which costs less than a forward pass (benchmarks/perturbations.py).
_base_ = ["./camus_small.py"]
recipe = dict(
    augment=[
        dict(
            type="RobustAugmentation",
            reference="camus",
            probability=0.5,
            severities=[0.5, 4.0],
            perturbations=[
                "acoustic_shadow",
                "depth_attenuation",
                "gain_down",
                "haze",
                "jpeg",
                "lateral_blur",
                "low_contrast",
                "speckle",
            ],
        ),
        dict(type="PaperAugmentation", flip=0.0),
    ]
)
