# U-Net with a causal filter over its probabilities: the cheapest rival of any memory. The training is the U-Net's own; only
# whole clips and streams are filtered. kind="median" (of the last `window` frames) or "exponential" (weight of the newest).
# echobench bench --models gdkvm,unet,unet_filtered --size small
label = "U-Net + median filter"
sizes = dict(
    small=dict(type="FilteredUNet", widths=(16, 32, 64, 128, 256), kind="median", window=3),
    narrow=dict(type="FilteredUNet", widths=(24, 48, 96, 192, 384), kind="median", window=3),  # as the U-Net's
    paper=dict(type="FilteredUNet", widths=(64, 128, 256, 512, 1024), kind="median", window=3),
)
