"""Read the rows of a finished run, and put its model on data that it has not seen.

For real: name a run of yours (``echobench runs`` lists them) instead of taking the first.
"""

import harness

run = next(run for run in harness.Store("results/runs").all() if run.status == "finished")
print(run.name, "trained with", run.spec.recipe["iterations"], "iterations, seed", run.spec.seed)

# What the run itself has measured: one row per case, frame, structure and metric.
rows = run.rows()
print(rows[rows["metric"] == "dice"].groupby(["view", "phase"])["value"].mean())

# Other patients at the size that the model was trained for: the same generator with another seed.
other = {"generate.patients": (1, 1, 3), "generate.pixel_mm": 1.6, "generate.seed": 7}
cache = harness.load_dataset("phantom", image_size=run.spec.recipe["image_size"], settings=other)
# The model's code is our own file, which the record names; nothing that a record names runs without such a word.
fresh = harness.evaluate(harness.load_model(run, trust=True), cache)
print("Dice on patients never seen:", round(float(fresh[fresh["metric"] == "dice"]["value"].mean()), 3))
