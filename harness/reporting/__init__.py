"""Tables, figures and pages made from the results store; nothing here runs a model."""

from harness.reporting.cases import CasePicture, CaseScore, case_scores, notable_cases
from harness.reporting.pictures import save_pictures
from harness.reporting.report import print_report, write_report
from harness.reporting.tables.main import main_table
from harness.results.suite import ModelResults, SuiteResults

__all__ = [
    "CasePicture",
    "CaseScore",
    "ModelResults",
    "SuiteResults",
    "case_scores",
    "main_table",
    "notable_cases",
    "print_report",
    "save_pictures",
    "write_report",
]
