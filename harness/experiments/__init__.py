"""From a suite's options to finished runs: plan, execute, collect."""

from harness.experiments.execute import execute, profile_run
from harness.experiments.options import SuiteOptions
from harness.experiments.plan import SuitePlan, plan_suite, suite_name

__all__ = ["SuiteOptions", "SuitePlan", "execute", "plan_suite", "profile_run", "suite_name"]
