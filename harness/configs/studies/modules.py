# echobench ablate modules                                           (make ablate STUDY=modules)
# LKVA, GDR and KPFF on and off, three seeds: 5 variants (a model without memory has neither GDR nor KPFF), 15 runs.
# gdr=off is the plain sum S + V K^T; lkva=off reads zeros instead of a state (encoders, decoder, sensory memory and the
# last mask stay); kpff=off sends the key projector's output straight to the softmax.
study = dict(
    kind="grid",
    model="gdkvm",
    seeds=[0, 1, 2],
    recipes=dict(
        phantom="phantom_ablation", camus_ed_es="camus_ablation"
    ),  # other datasets: their own recipe for the size
    factors=dict(
        lkva=dict(label="LKVA", levels=dict(on={}, off={"models.gdkvm.lkva": False})),
        gdr=dict(label="GDR", levels=dict(on={}, off={"models.gdkvm.gdr": False})),
        kpff=dict(label="KPFF", levels=dict(on={}, off={"models.gdkvm.kpff": False})),
    ),
    moot=[dict(when=dict(lkva="off"), factors=["gdr", "kpff"])],
)
