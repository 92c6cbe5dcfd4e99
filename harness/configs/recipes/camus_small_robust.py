# echobench bench --dataset camus --root PATH --views 4CH --clip ed_es --allow-partial --recipe camus_small_robust --models gdkvm,unet --report camus-small-robust
# camus_small with half of the clips perturbed in training; the same as `--recipe camus_small --set recipe.augment=robust`.
# Eight of the sixteen perturbations are seen, eight are not:
# each kind of fault (noise, machine settings, artefacts, export) has members on both sides.
# Time: that of camus_small and the perturbing, which costs less than a forward pass (benchmarks/perturbations.py).
_base_ = ["./camus_small.py"]
recipe = dict(augment=["robust", dict(type="PaperAugmentation", flip=0.0)])
