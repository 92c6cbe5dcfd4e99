# echobench bench --models examples/own_model/smallest_net_config.py,unet
custom_imports = dict(imports=["smallest_net"])  # found because it lies beside this file
label = "SmallestNet"
sizes = dict(small=dict(type="SmallestNet", width=16), paper=dict(type="SmallestNet", width=64))
