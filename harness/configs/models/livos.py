# LiVOS (base), Liu 2025: Cutie's network on a linear memory with one gate per value channel; the parent of GDKVM.
# paper: 35,135,737 parameters, 12.4 GMACs per 256-px frame. small: every width times 3/8 (docs/models.md, Sizes).
# echobench bench --models gdkvm,livos --size small
label = "LiVOS"
sizes = dict(
    small=dict(
        type="LiVOS",
        image_channels=1,
        image_width=24,
        value_width=24,
        width=96,
        key_width=24,
        feed_width=768,
        decoder_widths=(48, 48),
    ),
    paper=dict(type="LiVOS"),
)
sizes["narrow"] = sizes["small"]
