# echobench ablate modules --dataset camus --root PATH --views 4CH --clip ed_es --allow-partial
# A short schedule for many runs of one model on the two stills of each CAMUS clip: 96 px, 300 iterations; for the rank of
# variants, not their best. Time: about two and a half minutes of one core per run of the small GDKVM.
recipe = dict(
    image_size=96,
    clip_length=2,
    test_clip_length=2,
    batch_size=8,
    iterations=300,
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=1e-3, backbone_lr_factor=1.0),
    schedule=dict(type="cosine", warmup=20, final=0.0, milestones=[], gamma=0.1),
    gradient_clip=3.0,
    precision="auto",
    channels_last=True,
    batch_norm="train",
    ema=None,
    loss=dict(ce=1.0, dice=1.0, points=None),
    augment=[dict(type="PaperAugmentation", flip=0.0)],  # short schedules: no mirrored hearts
    val_interval=75,
    checkpoint_interval=75,
    log_interval=10,
    activation_checkpointing=False,
    deterministic=True,
    workers=0,
    device="auto",
)
