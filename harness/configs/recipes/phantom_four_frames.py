# echobench bench --dataset phantom --recipe phantom_four_frames
# What phantom_small was until sequences were tested whole: four frames of each half sequence, in training and test. It gives
# the rows of results/reference that were made with it a name, and answers whether the length of the clip matters.
_base_ = ["./phantom_small.py"]
recipe = dict(image_size=128, clip_length=4, test_clip_length=4, batch_size=4, iterations=350, val_interval=90)
