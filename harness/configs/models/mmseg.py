# Any mmsegmentation architecture, trained from scratch per frame: mmseg:segformer_mit-b0, mmseg:upernet_swin, ...
# The text after the colon is a template of mmsegmentation (configs/_base_/models), another of its config names,
# or the path of a config file. Needs the extra "mmseg". Both sizes are the template's own network.
# echobench bench --models unet,mmseg:segformer_mit-b0
label = "{template} (mmseg)"
sizes = dict(
    small=dict(type="MMSegSegmenter", name="{template}", image_size=128),
    paper=dict(type="MMSegSegmenter", name="{template}", image_size=256),
)
