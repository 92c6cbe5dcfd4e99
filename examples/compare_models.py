"""Which of two models is better: in words, and as figures for a program.

For real: name the models as the table of your report does, and the report where there are several.
"""

import harness

answer = harness.compare("SmallestNet", "U-Net")
print(f"{answer.first} against {answer.second} on {answer.dataset}")
print(answer)

for metric, comparison in answer.figures["comparisons"].items():
    print(f"{metric}: {comparison['n']} patients, mean difference {comparison['difference']}")
