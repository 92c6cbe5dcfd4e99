# TransUNet R50-ViT-B/16 (Chen 2021). paper: 105.3 M parameters, 38.4 GMACs per 256-px frame; published with
# ImageNet-21k weights: give them as pretrained="R50+ViT-B_16.npz", else it is trained from scratch.
# small: the same network, narrower and shallower, for CPUs at 128 px.
# echobench bench --models transunet --size small
label = "TransUNet"
sizes = dict(
    small=dict(
        type="TransUNet",
        image_size=128,
        width=16,
        units=(2, 2, 2),
        groups=8,
        projection_norm="group",
        dim=192,
        layers=4,
        heads=4,
        mlp=768,
        head_width=128,
        decoder_widths=(96, 64, 32, 16),
    ),
    narrow=dict(  # every width of the paper size times 3/8
        type="TransUNet",
        image_size=128,
        width=24,
        groups=12,
        dim=288,
        mlp=1152,
        head_width=192,
        decoder_widths=(96, 48, 24, 6),
    ),
    paper=dict(type="TransUNet", image_size=256),
)
