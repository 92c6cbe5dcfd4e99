# echobench bench --dataset camus --recipe camus_small (views 4CH, clip ed_es)
# Small models on the two annotated stills of each CAMUS clip, on CPU. Time: three to twelve minutes per model on two cores.
# Expected: LV Dice of the U-Net on the official test patients >= 0.93, of any other model >= 0.91.
recipe = dict(
    image_size=128,
    clip_length=2,
    test_clip_length=2,
    batch_size=8,
    iterations=1000,
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=1e-3, backbone_lr_factor=1.0),
    schedule=dict(type="linear", warmup=20, final=0.0, milestones=[], gamma=0.1),
    gradient_clip=3.0,
    precision="auto",
    channels_last=True,
    batch_norm="train",
    ema=None,
    loss=dict(ce=1.0, dice=1.0, points=None),
    augment=[dict(type="PaperAugmentation", flip=0.0)],  # short schedules: no mirrored hearts
    val_interval=250,
    checkpoint_interval=200,
    log_interval=20,
    activation_checkpointing=False,
    deterministic=True,
    workers=0,
    device="auto",
)
