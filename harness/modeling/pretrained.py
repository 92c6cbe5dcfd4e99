"""Which parts of a model started from weights that were trained elsewhere."""

from __future__ import annotations

from torch import nn

_MARK = "started_pretrained"


def mark_pretrained(*modules: nn.Module) -> None:
    """Say that the weights of these modules were loaded and not drawn; a loader calls it when it is done.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        >>> mark_pretrained(model[0])
        >>> len(pretrained_parameters(model))
        2
    """
    for module in modules:
        setattr(module, _MARK, True)


def pretrained_parameters(model: nn.Module) -> set[int]:
    """Ids of the parameters of all marked modules; empty for a model that starts from scratch."""
    marked = (module for module in model.modules() if getattr(module, _MARK, False))
    return {id(parameter) for module in marked for parameter in module.parameters()}
