# echobench bench --dataset camus --recipe paper (sizes "paper"; one CUDA device)
# The schedule of the GDKVM paper (arXiv 2512.10252) for all models: 256 px, 10 frames (set clip_length=2 for the ED and ES
# stills), batch 10, 3,000 iterations, loss on 12,544 points. The tenth of the rate
# (backbone_lr_factor) applies to weights that a model loads from a file (``pretrained``), and to nothing that starts from scratch.
recipe = dict(
    image_size=256,
    clip_length=10,
    test_clip_length=10,
    batch_size=10,
    iterations=3000,
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=1e-3, backbone_lr_factor=0.1),
    schedule=dict(type="step", warmup=0, final=0.0, milestones=[1000, 2000], gamma=0.1),
    gradient_clip=3.0,
    precision="auto",
    channels_last=True,
    batch_norm="train",
    ema=None,
    loss=dict(ce=1.0, dice=1.0, points=dict(count=12544, oversample=3.0, importance=0.75)),
    augment="paper",
    val_interval=250,
    checkpoint_interval=250,
    log_interval=20,
    activation_checkpointing=False,
    deterministic=True,
    workers=8,
    device="auto",
)
