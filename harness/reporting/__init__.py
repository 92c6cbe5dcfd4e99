"""Tables, figures and pages made from result sets; nothing here runs a model."""

from harness.reporting.report import print_report, write_report

__all__ = ["print_report", "write_report"]
