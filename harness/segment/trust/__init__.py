"""When not to trust a result: simple measures of a clip, compared with the training data and with fixed limits."""

from harness.segment.trust.flags import FLAGS, LIMITS, raised, sentences
from harness.segment.trust.judging import asked_again, judge
from harness.segment.trust.observer import Observer
from harness.segment.trust.training_range import TrainingRange, range_of_run, training_range

__all__ = [
    "FLAGS",
    "LIMITS",
    "Observer",
    "TrainingRange",
    "asked_again",
    "judge",
    "raised",
    "range_of_run",
    "sentences",
    "training_range",
]
