# echobench bench --dataset phantom                                 (make bench)
# Generated once below the data folder, in the CAMUS NIfTI layout, and read by the CAMUS reader.
dataset = dict(
    type="Phantom", root=None, views=("2CH", "4CH"), clip="half", allow_partial=False, split_dir=None, cine_seed=0
)
generate = dict(function="harness.phantom.generate", folder="phantom", patients=(60, 15, 25), seed=0, pixel_mm=0.462)
recipes = dict(
    small="phantom_small",
    paper="paper_sequences",
    ed_es_small="phantom_stills",
    ed_es_paper="paper",
    cine_small="cine_small",
)
terms = "None: drawn by formula by this program, no patient and no recording is in it."
