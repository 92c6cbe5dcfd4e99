"""Where the curves of a training go: ``log.jsonl`` always, and the visualisation backends that the recipe names."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmengine.registry import VISBACKENDS
from mmengine.visualization import TensorboardVisBackend, Visualizer
from mmengine.visualization.vis_backend import BaseVisBackend, WandbVisBackend
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from harness.errors import ConfigError
from harness.files import read_json_lines, write_text
from harness.registry import build_registered

_OWN_FOLDERS = {"TensorboardVisBackend": "tensorboard"}
_OTHER_FOLDER = "vis_data"  # mmengine's own default below the work folder


@VISBACKENDS.register_module()
class JsonLinesBackend(BaseVisBackend):
    """Appends what mmengine's ``LoggerHook`` reports to ``log.jsonl``, one JSON object a line.

    A line has ``kind`` (``start``, ``train``, ``val``) and ``iteration``; ``start`` opens a session and carries
    ``conditions``. A value that is not finite is null, because JSON has no NaN.

    Args:
        save_dir: the run's folder.
        iteration: where this session starts; later lines of an earlier session are dropped, they are computed again.
        conditions: what the first line says about this session (device, precision, processes, threads).
    """

    def __init__(self, save_dir: str, iteration: int = 0, conditions: Mapping[str, Any] | None = None) -> None:
        super().__init__(save_dir)
        self.path = Path(save_dir) / "log.jsonl"
        self.iteration, self.conditions = iteration, dict(conditions or {})

    @property
    def experiment(self) -> JsonLinesBackend:
        """This object: there is no library behind it."""
        return self

    def _init_env(self) -> None:
        """Nothing: ``add_config`` opens the session."""

    def add_config(self, config: Any, **kwargs: Any) -> None:
        """Begin the session; the config itself stands in ``run.json``."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        drop_lines_after(self.path, self.iteration)
        self._write({"kind": "start", "iteration": self.iteration, **self.conditions})

    def add_scalars(
        self, scalar_dict: dict[str, Any], step: int = 0, file_path: str | None = None, **kwargs: Any
    ) -> None:
        """Write one line; ``scalar_dict`` has keys ``train/...`` or ``val/...`` and mmengine's ``iter``."""
        values = {name: value for name, value in scalar_dict.items() if "/" in name}
        kind = next(iter(values)).partition("/")[0]
        self._write({"kind": kind, "iteration": step, **{name.partition("/")[2]: v for name, v in values.items()}})

    def _write(self, record: dict[str, Any]) -> None:
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
        # Opened for each line: who reads along (a pruner, a user with tail -f) sees it at once.
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(finite, allow_nan=False) + "\n")


@VISBACKENDS.register_module(name="WandbVisBackend", force=True)
class FinishingWandbBackend(WandbVisBackend):
    """mmengine's backend for Weights & Biases; its ``close`` calls ``wandb.join``, which wandb no longer has."""

    def add_scalars(
        self, scalar_dict: dict[str, Any], step: int = 0, file_path: str | None = None, **kwargs: Any
    ) -> None:
        """Log the values with the iteration as their step, so that curves of several runs lie on one axis."""
        self.experiment.log(scalar_dict, step=step, commit=self._commit)

    def close(self) -> None:
        """End the run, so that the next training of this process opens one of its own."""
        if hasattr(self, "_wandb"):
            self._wandb.finish()


def drop_lines_after(path: Path, iteration: int) -> None:
    """Drop the lines of a log after ``iteration``, and a last line that a kill tore."""
    if not path.is_file():
        return
    kept = []
    for line, record in read_json_lines(path):
        reached = record.get("iteration", 0)
        if isinstance(reached, int) and reached <= iteration:
            kept.append(line + "\n")
    write_text(path, "".join(kept))


def build_visualizer(
    name: str, folder: Path, configs: Iterable[Mapping[str, Any]], *, iteration: int, conditions: Mapping[str, Any]
) -> Visualizer:
    """mmengine's ``Visualizer`` over ``log.jsonl`` and the backends of a recipe.

    Args:
        name: of the instance in mmengine's table of visualizers.
        folder: the run's folder; a backend without ``save_dir`` writes below it.
        configs: ``vis_backends`` of the recipe. ``{run}`` and ``{folder}`` inside their strings become the name and
            the path of the run's folder, because one recipe serves all runs of a suite.
        iteration: where this session starts.
        conditions: for the first line of ``log.jsonl``.

    Raises:
        ConfigError: an unknown backend, wrong arguments, or a package that is not installed.
    """
    backends: list[BaseVisBackend] = [JsonLinesBackend(str(folder), iteration, conditions)]
    for config in configs:
        filled = _filled(dict(config), {"run": folder.name, "folder": str(folder)})
        filled.setdefault("save_dir", str(folder / _OWN_FOLDERS.get(str(filled["type"]), _OTHER_FOLDER)))
        backends.append(build_backend(filled))
    for backend in backends:
        if iteration and isinstance(backend, TensorboardVisBackend):
            _hide_steps_from(backend, iteration + 1)
    visualizer: Visualizer = Visualizer.get_instance(name, vis_backends=backends)
    return visualizer


def build_backend(config: Mapping[str, Any]) -> BaseVisBackend:
    """One backend, connected: a missing package is found here and not after the first hundred iterations."""
    try:
        backend: BaseVisBackend = build_registered(VISBACKENDS, config)
        _ = backend.experiment
    except ImportError as error:
        raise ConfigError(
            f"The recipe's vis_backends names {config['type']}, which needs a package that is not installed "
            f"({error}); pip install 'echobench[tracking]' brings MLflow and W&B."
        ) from error
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"The recipe's vis_backends entry {dict(config)} cannot be built: {error}; correct it or take it out."
        ) from error
    return backend


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, names) for item in value]
    for key, text in names.items() if isinstance(value, str) else ():
        value = value.replace(f"{{{key}}}", text)
    return value


def _hide_steps_from(backend: TensorboardVisBackend, step: int) -> None:
    """Tell TensorBoard that a session starts at ``step``: it hides what a killed session wrote from there on.

    ``SummaryWriter(purge_step=...)`` writes these two events; mmengine's backend does not hand the argument on.
    """
    writer = backend.experiment.file_writer
    writer.add_event(Event(step=step, file_version="brain.Event:2"))
    writer.add_event(Event(step=step, session_log=SessionLog(status=SessionLog.START)))
