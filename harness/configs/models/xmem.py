# XMem, Cheng 2022: sensory, working and long-term memory; ResNet-50 keys, ResNet-18 values.
# paper: 62.19 M parameters, 22.6 GMACs per 256-px frame with the first mask given at T = 10 (25.1 in auto).
# small: narrower ResNet-18 trunks for CPU.
# echobench bench --models xmem --size small
label = "XMem"
sizes = dict(
    small=dict(
        type="XMem",
        image_channels=1,
        key_depth=18,
        value_depth=18,
        width=48,
        key_channels=32,
        value_channels=192,
        sensory_channels=32,
        decoder_widths=(192, 96, 96),
        update_width=96,
    ),
    narrow=dict(  # every width of the paper size times 3/8
        type="XMem",
        image_channels=1,
        width=24,
        key_channels=24,
        value_channels=192,
        sensory_channels=24,
        decoder_widths=(192, 96, 96),
        update_width=96,
    ),
    paper=dict(type="XMem"),
)
