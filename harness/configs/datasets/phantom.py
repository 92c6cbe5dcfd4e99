# echobench bench --dataset phantom                                 (make bench)
# Generated once below the data folder, in the CAMUS NIfTI layout, and read by the CAMUS reader.
dataset = dict(
    type="Phantom", root=None, views=("2CH", "4CH"), clip="half", allow_partial=False, split_dir=None, cine_seed=0
)
generate = dict(
    function="harness.phantom.generate",
    folder="phantom",
    patients=(60, 15, 25),
    seed=0,
    pixel_mm=0.462,
    beats=None,  # None: not asked for; docs/phantom.md says what each does
    arrhythmia=None,
    defects=None,
    foreshortened=None,
    breathing_mm=None,
    probe_mm=None,
    frame_rate_hz=None,
)
# What a clip kind asks of the generator beyond that: --clip cycle is one whole beat, --clip beats are three, as patients have them.
_patients = dict(defects=0.3, foreshortened=0.15, breathing_mm=2.0, probe_mm=0.7, frame_rate_hz=(25, 80))
generate_for = dict(cycle=dict(beats=1, **_patients), beats=dict(beats=3, arrhythmia=0.2, **_patients))
recipes = dict(
    small="phantom_small",
    paper="paper_sequences",
    ed_es_small="phantom_stills",
    ed_es_paper="paper",
    cine_small="cine_small",
)
terms = "None: drawn by formula by this program, no patient and no recording is in it."
