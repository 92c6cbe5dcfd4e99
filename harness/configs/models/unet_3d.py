# 3-D U-Net: nnU-Net's plain shape (Isensee 2021) over whole clips, time convolved and never pooled. Not causal: a frame's
# logits depend on later frames, so that it has no live use; it is the rival of any memory on full cycles.
# paper: 30,286,282 parameters, 36.0 GMACs per 256-px frame. small: every width times 3/8 (docs/models.md, Sizes).
# echobench bench --models gdkvm,unet,unet_3d --size small
label = "3-D U-Net"
sizes = dict(
    small=dict(type="UNet3D", widths=(12, 24, 48, 96, 120, 120)),
    paper=dict(type="UNet3D", widths=(32, 64, 128, 256, 320, 320)),
)
sizes["narrow"] = sizes["small"]
