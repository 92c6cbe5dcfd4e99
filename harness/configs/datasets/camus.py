# echobench bench --dataset camus --root PATH                       (make bench DATASET=camus CAMUS_ROOT=PATH)
# CAMUS, NIfTI release: 500 patients, split 400/50/50, both views, half sequences; see docs/datasets.md.
# Preparing all 998 four-chamber stills takes about 10 s on 2 cores, the full release with sequences some minutes.
dataset = dict(
    type="Camus",
    root=None,
    views=("2CH", "4CH"),
    clip="half",
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
terms = (
    "CC BY-NC-SA 4.0; strictly non-commercial scientific research; cite Leclerc et al., IEEE TMI "
    "38(9):2198-2210, 2019, doi 10.1109/TMI.2019.2900516."
)
