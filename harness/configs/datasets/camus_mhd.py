# echobench bench --dataset camus_mhd --root PATH --split-dir LISTS
# CAMUS, old mhd/raw release: other masks and EF than the NIfTI release; needs split lists of one's own.
dataset = dict(
    type="CamusMhd",
    root=None,
    views=("2CH", "4CH"),
    clip="ed_es",
    allow_partial=False,
    split_dir=None,
    fold=None,
    cine_seed=0,
)
recipes = dict(
    small="camus_sequences",
    paper="paper_sequences",
    ed_es_small="camus_small",
    ed_es_paper="paper",
    cine_small="cine_small",
)
