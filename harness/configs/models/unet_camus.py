# The light U-Net of the CAMUS study (Leclerc 2019, "U-Net 1"): 1.98 M parameters, 4.0 GMACs per 256-px frame.
# It is small by itself; the size "small" adds batch norm (the study's U-Net 2 has it too), which trains faster.
label = "U-Net (CAMUS)"
sizes = dict(
    small=dict(type="UNetCamus", norm=True),
    narrow=dict(  # every width of the paper size times 3/8
        type="UNetCamus", encoder=(12, 12, 24, 48, 48), bottleneck=48, decoder=(48, 48, 24, 12, 6), norm=True
    ),
    paper=dict(type="UNetCamus", norm=False),
)
