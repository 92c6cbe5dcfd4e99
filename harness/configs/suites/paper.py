# make bench-paper CAMUS_ROOT=PATH                  (needs a CUDA device; paper-size models at 256 px)
_base_ = ["./small.py"]
suite = dict(
    dataset="camus",
    size="paper",
    recipe=dict(device="cuda"),  # days on a CPU: refused where there is no CUDA device
    profile=dict(clip_length=10, warmup=10, repeats=50),
)
