# make bench                                        (about 20 minutes on 2 CPU cores without bf16 products)
# make bench DATASET=camus CAMUS_ROOT=PATH          (sequences: not measured; stills, CLIP=ed_es VIEWS=4CH: about 40 minutes)
_base_ = ["../margins.py"]  # the smallest differences that matter, with their sources
suite = dict(
    dataset="phantom",
    models=["gdkvm", "unet", "transunet", "stm", "xmem"],
    reference="gdkvm",  # paired tests compare every other model with this one
    endpoint="dice",  # the primary endpoint, tested on its own; all other measures are secondary
    size="small",
    seeds=[0],
    structures="lv",
    first_frame="auto",
    # Ten seconds of waiting for a quiet machine, per model and engine: what stays disturbed is marked, and the bench has an end.
    profile=dict(clip_length=10, warmup=3, repeats=5, patience_s=10.0),
)
