# echobench ablate modules --dataset phantom
# A short schedule for many runs of one model: 96 px, 120 iterations; rank of variants, not their best.
recipe = dict(
    image_size=96,
    clip_length=4,
    test_clip_length=4,
    batch_size=4,
    iterations=120,
    optimizer=dict(type="AdamW", lr=7e-4, weight_decay=1e-3, backbone_lr_factor=1.0),
    schedule=dict(type="cosine", warmup=10, final=0.0, milestones=[], gamma=0.1),
    gradient_clip=3.0,
    precision="auto",
    channels_last=True,
    batch_norm="train",
    ema=None,
    loss=dict(ce=1.0, dice=1.0, points=None),
    augment=[dict(type="PaperAugmentation", flip=0.0)],  # short schedules: no mirrored hearts
    val_interval=30,
    checkpoint_interval=30,
    log_interval=10,
    activation_checkpointing=False,
    deterministic=True,
    workers=0,
    device="auto",
)
