# GDKVM (ICCV 2025) with the re-release's decay (exp, contiguous heads), keys scaled so that no update expands, and
# the pixel feature of the current frame. Published weights need update_rule="gated" or "released",
# key_scale="none" and value_pixel_feature="stale" (echobench import-gdkvm sets them).
# paper: the published widths, 35,078,282 parameters, 12.66 GMACs per 256-px frame. small: the same code, 9.1 M, for
# training on two CPU cores at 128 px.
# echobench bench --models gdkvm --size small
label = "GDKVM"
sizes = dict(
    small=dict(
        type="GDKVM",
        image_depth=18,
        image_width=64,
        value_depth=18,
        value_width=32,
        width=128,
        key_width=64,
        heads=8,
        queries=16,
        blocks=3,
        attention_heads=8,
        feed_width=512,
        decoder_widths=(96, 64),
        update_rule="gated",
        key_scale="bound",
        value_pixel_feature="current",
    ),
    paper=dict(
        type="GDKVM",
        image_depth=50,
        image_width=64,
        value_depth=18,
        value_width=64,
        width=256,
        key_width=64,
        heads=8,
        queries=16,
        blocks=3,
        attention_heads=8,
        feed_width=2048,
        decoder_widths=(128, 128),
        update_rule="gated",
        key_scale="bound",
        value_pixel_feature="current",
    ),
)
