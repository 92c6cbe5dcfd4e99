# The plain 2-D network shape of nnU-Net (Isensee 2021) with deep supervision, without nnU-Net's planning.
# paper: 33.47 M parameters, 14.8 GMACs per 256-px frame (seven stages, instance norm).
label = "U-Net (nnU-Net shape)"
sizes = dict(
    small=dict(type="UNetNnU", widths=(16, 32, 64, 128, 256)),
    narrow=dict(type="UNetNnU", widths=(12, 24, 48, 96, 192, 192, 192)),  # every width of the paper size times 3/8
    paper=dict(type="UNetNnU", widths=(32, 64, 128, 256, 512, 512, 512)),
)
