# echobench bench --dataset phantom --clip ed_es
# phantom_small on the ED and ES stills alone: no memory is tested.
_base_ = ["./phantom_small.py"]
recipe = dict(image_size=128, clip_length=2, test_clip_length=2, batch_size=4, iterations=350, val_interval=90)
