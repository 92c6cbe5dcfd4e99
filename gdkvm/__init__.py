"""GDKVM, registered in harness.registry.MODELS as ``GDKVM``."""

from gdkvm.model import GDKVM
from gdkvm.released import import_published
from gdkvm.rule_registry import list_rules

__all__ = ["GDKVM", "import_published", "list_rules"]
