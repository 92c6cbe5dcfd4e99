# DeepLabV3-ResNet-50 (Chen 2017) as EchoNet-Dynamic segments with it: dilated to stride 8, per frame.
# paper: 39,633,986 parameters with background and one structure (39,633,729 with one output), 40.9 GMACs per 256-px frame.
# small: every width times 3/8 (docs/models.md, Sizes). A file of ImageNet weights is an option: pretrained="resnet50.pth".
# echobench bench --models gdkvm,deeplabv3 --size small
label = "DeepLabV3"
sizes = dict(
    small=dict(type="DeepLabV3", image_channels=1, width=24, head_width=96),
    paper=dict(type="DeepLabV3"),
)
sizes["narrow"] = sizes["small"]
