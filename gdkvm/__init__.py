"""GDKVM, registered in harness.registry.MODELS as ``GDKVM``."""

from gdkvm.model import GDKVM
from gdkvm.rule_registry import list_rules

__all__ = ["GDKVM", "list_rules"]
