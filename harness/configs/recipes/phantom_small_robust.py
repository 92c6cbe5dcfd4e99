# echobench bench --dataset phantom --recipe phantom_small_robust --models gdkvm,unet --report phantom-small-robust
# phantom_small with half of the clips perturbed in training; the same as `--recipe phantom_small --set recipe.augment=robust`.
# Eight of the sixteen perturbations are seen, eight are not:
# each kind of fault (noise, machine settings, artefacts, export) has members on both sides.
# Time: that of phantom_small and the perturbing, which costs less than a forward pass (benchmarks/perturbations.py).
_base_ = ["./phantom_small.py"]
recipe = dict(augment=["robust", dict(type="PaperAugmentation", flip=0.0)])
