# echobench bench --dataset folder --root ROOT          (ROOT holds manifest.csv and labels.yaml; docs/your-data.md)
# Own data without code: NIfTI, MetaImage, NPZ/NPY, TIFF, GIF, AVI/MP4, DICOM, pictures; structures of any name.
dataset = dict(
    type="Folder",
    root=None,
    views=None,
    clip="labelled",
    allow_partial=False,
    split_dir=None,
    split_seed=0,
    fold=None,
    folds=5,
)
structures = "all"  # every structure that labels.yaml names
recipes = dict(small="folder_small", paper="paper_sequences", ed_es_small="camus_small", ed_es_paper="paper")
