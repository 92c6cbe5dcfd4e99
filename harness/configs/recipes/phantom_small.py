# echobench bench --dataset phantom --recipe phantom_small
# Five small models on the embedded phantom, on two CPU cores: eight frames of each half sequence in training, every frame at
# test, streaming; a mask on every frame. A per-frame model is trained on the same frames.
# Time: 280 iterations of 16 frames and 1,900 frames of validation and test are 19 minutes for the five models, computed from the
# frames per second of phantom_ablation; not timed on an idle machine yet. Expected: LV Dice >= 0.88 was measured with
# phantom_four_frames; of whole sequences it is not measured yet.
recipe = dict(
    image_size=128,
    clip_length=8,
    test_clip_length="whole",
    batch_size=2,
    iterations=280,
    optimizer=dict(type="AdamW", lr=7e-4, weight_decay=1e-3, backbone_lr_factor=1.0),
    schedule=dict(type="cosine", warmup=20, final=0.0, milestones=[], gamma=0.1),
    gradient_clip=3.0,
    precision="auto",
    channels_last=True,
    batch_norm="train",
    ema=None,
    loss=dict(ce=1.0, dice=1.0, points=None),
    augment=[dict(type="PaperAugmentation", flip=0.0)],  # short schedules: no mirrored hearts
    val_interval=140,  # whole sequences are long: two validations instead of four
    checkpoint_interval=90,
    log_interval=10,
    activation_checkpointing=False,
    deterministic=True,
    workers=0,
    device="auto",
)
