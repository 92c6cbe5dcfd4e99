# U-Net, 2015, in its usual form: padded 3x3 convolutions, batch norm, transposed convolutions.
# paper: 31.04 M parameters, 48.1 GMACs per 256-px frame. small: 1.9 M; five minutes at 128 px on two cores
# are enough for an LV Dice of 0.93 on the apical four-chamber stills of CAMUS.
# echobench bench --models unet --size small
label = "U-Net"
sizes = dict(
    small=dict(type="UNet", widths=(16, 32, 64, 128, 256)),
    narrow=dict(type="UNet", widths=(24, 48, 96, 192, 384)),  # every width of the paper size times 3/8
    paper=dict(type="UNet", widths=(64, 128, 256, 512, 1024)),
)
