# echobench ablate tune                                              (make ablate STUDY=tune)
# TPE over the learning rate, the weights of the loss, the gates' initialisation and input, and the key scale; trials that
# fall behind the median are stopped early.
# The objective is the validation Dice of the best checkpoint; the test split takes no part in any choice.
study = dict(
    kind="tpe",
    model="gdkvm",
    seeds=[0],
    recipes=dict(phantom="phantom_ablation", camus_ed_es="camus_ablation"),
    budget=24,
    sampler=dict(type="TPESampler", seed=0, n_startup_trials=8, multivariate=True, constant_liar=True),
    pruner=dict(type="MedianPruner", n_startup_trials=5, n_warmup_steps=60),
    space=dict(
        lr=dict(label="Learning rate", sets="recipe.optimizer.lr", type="float", low=1e-4, high=3e-3, log=True),
        dice=dict(label="Weight of soft Dice", sets="recipe.loss.dice", type="float", low=0.2, high=3.0, log=True),
        auxiliary=dict(
            label="Weight of auxiliary heads",
            sets="models.gdkvm.auxiliary_weight",
            type="float",
            low=0.003,
            high=0.1,
            log=True,
        ),
        decay=dict(
            label="Initial decay",  # the decay gates start from A ~ U(0, this); published: 16
            sets="models.gdkvm.decay_init",
            type="float",
            low=0.25,
            high=64.0,
            log=True,
        ),
        gate=dict(label="Gate input", sets="models.gdkvm.gate_input", type="categorical", choices=["state", "write"]),
        scale=dict(label="Key scale", sets="models.gdkvm.key_scale", type="categorical", choices=["bound", "l2"]),
    ),
)
