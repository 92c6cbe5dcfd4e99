# STM, Oh 2019: space-time memory, two ResNet-50 trunks; its memory grows with time by design.
# paper: 38.93 M parameters, 25.6 GMACs per 256-px frame with the first mask given at T = 10 (28.4 in auto, which
# also memorises and segments frame 0). small: narrower ResNet-18 trunks for CPU.
# echobench bench --models stm --size small
label = "STM"
sizes = dict(
    small=dict(
        type="STM",
        image_channels=1,
        depth=18,
        width=48,
        key_channels=32,
        value_channels=192,
        decoder_width=96,
    ),
    narrow=dict(  # every width of the paper size times 3/8
        type="STM", image_channels=1, width=24, key_channels=48, value_channels=192, decoder_width=96
    ),
    paper=dict(type="STM"),
)
