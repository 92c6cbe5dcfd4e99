# echobench ablate modules --dataset phantom
# A short schedule for many runs of one model: 96 px, 160 iterations; for the rank of variants, not their best.
# Time: about one minute per run of the small GDKVM on two cores.
recipe = dict(
    image_size=96,
    clip_length=4,
    test_clip_length=4,
    batch_size=4,
    iterations=160,
    optimizer=dict(type="AdamW", lr=7e-4, weight_decay=1e-3, backbone_lr_factor=1.0),
    schedule=dict(type="cosine", warmup=10, final=0.0, milestones=[], gamma=0.1),
    gradient_clip=3.0,
    precision="auto",
    channels_last=True,
    batch_norm="train",
    ema=None,
    loss=dict(ce=1.0, dice=1.0, points=None),
    augment=[dict(type="PaperAugmentation", flip=0.0)],  # short schedules: no mirrored hearts
    val_interval=40,
    checkpoint_interval=40,
    log_interval=10,
    activation_checkpointing=False,
    deterministic=True,
    workers=0,
    device="auto",
)
