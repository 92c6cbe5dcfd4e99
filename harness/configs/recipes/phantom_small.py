# echobench bench --dataset phantom --recipe phantom_small
# Five small models on the embedded phantom, on two CPU cores: eight frames of each half sequence in training, every frame at
# test, streaming; a mask on every frame. As many frames are trained on as in phantom_four_frames.
# Expected: LV Dice of every model on the test split >= 0.88.
recipe = dict(
    image_size=128,
    clip_length=8,
    test_clip_length="whole",
    batch_size=2,
    iterations=350,
    optimizer=dict(type="AdamW", lr=7e-4, weight_decay=1e-3, backbone_lr_factor=1.0),
    schedule=dict(type="cosine", warmup=20, final=0.0, milestones=[], gamma=0.1),
    gradient_clip=3.0,
    precision="auto",
    channels_last=True,
    batch_norm="train",
    ema=None,
    loss=dict(ce=1.0, dice=1.0, points=None),
    augment=[dict(type="PaperAugmentation", flip=0.0)],  # short schedules: no mirrored hearts
    val_interval=175,  # whole sequences are long: two validations instead of four
    checkpoint_interval=90,
    log_interval=10,
    activation_checkpointing=False,
    deterministic=True,
    workers=0,
    device="auto",
)
