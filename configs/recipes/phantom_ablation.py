# echobench ablate modules --dataset phantom
# A short schedule for many runs of one model: 96 px, 160 iterations; for the rank of variants, not their best. Six frames
# per clip, so that the memory is written five times before the last frame is read, and keeps what it should forget.
# Time: about two minutes of one core per run of the small GDKVM, 35 minutes on two cores for `modules` and `update_rule`.
recipe = dict(
    image_size=96,
    clip_length=6,
    test_clip_length=6,
    batch_size=3,
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
