# The smallest difference that matters, per measure in its displayed unit, and where it comes from. Suites take these as
# their base; one with reasons of its own writes, beside `suite`:
#     margins = dict(dice=dict(value=1.0, source="what our two readers differ by"))
#
# Observers: S. Leclerc et al., IEEE TMI 38(9), 2019, Table III (LV endocardium at ED; 40 patients with good and medium
# images): the same cardiologist seven months later has Dice 0.945, mean distance 1.4 mm, Hausdorff distance 4.6 mm against
# himself; Table IV: his two ejection fractions differ by -2.3 points with an SD of 5.7. (The MAE of 0.9 that this row
# states cannot be true beside these two figures, and is not used.)
_intra = "a tenth of what one cardiologist differs from himself on CAMUS (Leclerc et al. 2019, Table III)"
_ef = (
    "less than the SD of one cardiologist's two readings on CAMUS, 5.7 points (Leclerc et al. 2019, Table IV), more than "
    "the 4 that two contrast recordings can tell apart (Suwatanaviroj et al., Echo Res. Pract. 5, 2018)"
)
margins = dict(
    dice=dict(value=0.5, source=_intra),
    iou=dict(value=0.9, source="half a point of Dice in IoU at Dice 93 %: 2 / (2 - D)^2"),
    hd_mm=dict(value=0.5, source=_intra),
    hd95_mm=dict(value=0.5, source="as for the Hausdorff distance"),
    asd_mm=dict(value=0.15, source=_intra),
    nsd_mm=dict(value=1.0, source="a judgement: no observer figures of this measure are published for CAMUS"),
    ef_mae=dict(value=5.0, source=_ef),
    ef_error=dict(value=5.0, source=_ef),
)
