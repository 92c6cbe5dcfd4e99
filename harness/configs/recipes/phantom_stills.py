# echobench bench --dataset phantom --clip ed_es
# The ED and ES stills alone, 350 iterations of four at 128 px: no memory is tested.
_base_ = ["./phantom_small.py"]
recipe = dict(image_size=128, clip_length=2, test_clip_length=2, batch_size=4, iterations=350, val_interval=90)
