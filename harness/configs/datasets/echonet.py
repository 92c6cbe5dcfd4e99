# echobench bench --dataset echonet --root PATH
# EchoNet-Dynamic: 10,024 usable videos of 112 px, split 7460/1288/1276, LV only (--structures lv), no pixel size.
dataset = dict(type="EchoNet", root=None, views=("4CH",), clip="half", allow_partial=False, split_dir=None, fold=None)
recipes = dict(
    small="camus_sequences",
    paper="paper_sequences",
    ed_es_small="camus_small",
    ed_es_paper="paper",
)
terms = (
    "Stanford University research use agreement of EchoNet-Dynamic: non-commercial research, no "
    "redistribution of the videos; cite Ouyang et al., Nature 580:252-256, 2020."
)
