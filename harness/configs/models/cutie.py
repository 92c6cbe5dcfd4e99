# Cutie (base), Cheng 2024: XMem's memory of pixels read by object queries; the weakest row of the GDKVM paper's Table 1.
# paper: 35,024,186 parameters, 9.4 GMACs per 256-px frame. small: every width times 3/8 (docs/models.md, Sizes).
# echobench bench --models gdkvm,cutie --size small
label = "Cutie"
sizes = dict(
    small=dict(
        type="Cutie",
        image_channels=1,
        image_width=24,
        value_width=24,
        width=96,
        key_width=24,
        feed_width=768,
        decoder_widths=(48, 48),
    ),
    paper=dict(type="Cutie"),
)
sizes["narrow"] = sizes["small"]
