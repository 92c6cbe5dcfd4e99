# The light U-Net of the CAMUS study (Leclerc 2019, "U-Net 1"): 1.98 M parameters, 4.0 GMACs per 256-px frame.
# It is small by itself; the size "small" adds batch norm (the study's U-Net 2 has it too), which trains faster.
label = "U-Net (CAMUS)"
sizes = dict(
    small=dict(type="UNetCamus", norm=True),
    paper=dict(type="UNetCamus", norm=False),
)
