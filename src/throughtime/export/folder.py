"""A trained model as a folder that ``throughtime.runtime`` opens, and what it comes to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughtime._version import __version__
from throughtime.applications.exported import Exported
from throughtime.applications.folder.model_folder import staged
from throughtime.applications.reading.verdict import cautions
from throughtime.applications.task import Trained
from throughtime.errors import UserError, listed, nearest
from throughtime.export.graph.int8 import narrow, rounded
from throughtime.export.models import forms_of, write_model
from throughtime.extras import extra
from throughtime.files import write_chunks
from throughtime.runtime.folder import FORMAT, MANIFEST
from throughtime.runtime.reading.notes import note

BYTES = "bytes of "
"""Before a file's name, where its size stands among figures."""

FILES = {"sequence": "model.onnx"}
"""Names of graphs' files that are not those of their forms."""


@dataclass(frozen=True)
class Form:
    """What a model can become.

    Attributes:
        name: Such as ``"step"``.
        file: Its file in an exported folder.
        content: The file's bytes.
        described: Its inputs and outputs, as they stand in ``model.json``.
    """

    name: str
    file: str
    content: bytes
    described: Mapping[str, Any]


def forms(trained: Trained, *, int8: bool = False) -> list[Form]:
    """Every form of a trained model.

    Args:
        trained: The model.
        int8: With matrices of int8.

    Raises:
        UserError: If its task or model has none; says why.
    """
    known = forms_of(trained.model)
    exported = trained.exported()
    return [_form(trained, exported, name, int8) for name in known]


def rounding(trained: Trained) -> dict[str, tuple[Any, Any]]:
    """What int8 costs: by figure, of the run's own held-out data, and by form, in bytes, before and after.

    The figures after are those of the model with its matrices rounded, which is what the graphs compute. Where the run
    held nothing out there are sizes alone.

    Raises:
        UserError: If the model has no form outside.
    """
    sizes = {
        f"{BYTES}{one.file}": (len(one.content), len(two.content))
        for one, two in zip(forms(trained), forms(trained, int8=True), strict=True)
    }
    try:
        before = trained.evaluate().figures
    except UserError as error:
        note(str(error))
        return dict(sizes)
    with rounded(trained.model):
        after = trained.evaluate().figures
    return {name: (value, after[name]) for name, value in before.items() if isinstance(value, float)} | sizes


def export(trained: Trained, out: Path | None, files: Mapping[str, Path], *, int8: bool = False) -> dict[Path, int]:
    """Writes a folder for the runtime, and single graphs by form; each file whole or not at all.

    Args:
        trained: The model.
        out: The folder; None: none is written.
        files: Single graphs by form.
        int8: With matrices of int8.

    Returns:
        The bytes of every file.

    Raises:
        UserError: If the folder exists, or the model has no such form; says why, before anything is written.
    """
    known = forms_of(trained.model)
    exported = trained.exported()
    for form, path in files.items():
        _check(trained, form)
        if not path.absolute().parent.is_dir():
            raise UserError(f"{path}: expected a folder that exists, got {path.parent}; make it first")
    wanted = known if out is not None else files
    made = {name: _form(trained, exported, name, int8) for name in wanted}
    written: dict[Path, bytes] = {}
    if out is not None:
        inside = {form.file: form.content for form in made.values()} | dict(exported.files)
        inside[MANIFEST] = manifest(trained, exported, list(made.values()))
        with staged(out, "pass another --out") as folder:
            for name, content in inside.items():
                write_chunks(folder / name, [content])
        written = {out / name: content for name, content in inside.items()}
    for form, path in files.items():
        write_chunks(path, [made[form].content])
        written[path] = made[form].content
    return {path: len(content) for path, content in written.items()}


def onnx_of(trained: Trained, form: str, *, int8: bool = False) -> Any:
    """A form of a trained model as an ``onnx.ModelProto``, what its task tells in the metadata.

    Raises:
        UserError: If its task or model has no such form; says why.
    """
    _check(trained, form)
    return _proto(trained, form, _metadata(trained, trained.exported(), form), int8)


def _proto(trained: Trained, form: str, metadata: Mapping[str, Any], int8: bool) -> Any:
    return narrow(trained.model, lambda more: write_model(trained.model, form, {**metadata, **more}), int8=int8)


def _check(trained: Trained, form: str) -> None:
    """Refuses a form that the model has not."""
    known = forms_of(trained.model)
    if form not in known:
        several = "" if "sequence" in known else "; write them with --out FOLDER"
        why = ", as it needs the whole input" if form == "step" else nearest(form, known)
        what = f"{trained.folder}: a model of task {trained.task!r} has no form {form!r}{why}"
        raise UserError(f"{what}; it has {listed(known)}{several}")


def manifest(trained: Trained, exported: Exported, made: list[Form]) -> bytes:
    """The text of ``model.json``."""
    told = {
        "format": FORMAT,
        "version": __version__,
        "task": trained.task,
        "runner": exported.runner,
        "graphs": {form.name: {"file": form.file, **form.described} for form in made},
        "facts": dict(exported.facts),
        "cautions": cautions(trained.folder),
        "trained": _trained(trained),
    }
    return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()


def _form(trained: Trained, exported: Exported, name: str, int8: bool = False) -> Form:
    told_of = _metadata(trained, exported, name)
    proto = _proto(trained, name, told_of, int8)
    helper = extra("onnx", "export", "writing ONNX").helper

    def told(value: Any) -> dict[str, Any]:
        kind = value.type.tensor_type
        sizes = [size.dim_param or size.dim_value for size in kind.shape.dim]
        return {"name": value.name, "type": helper.tensor_dtype_to_np_dtype(kind.elem_type).name, "shape": sizes}

    inputs, outputs = ([told(value) for value in side] for side in (proto.graph.input, proto.graph.output))
    content = proto.SerializeToString()
    return Form(
        name, FILES.get(name, f"{name}.onnx"), content, {"inputs": inputs, "outputs": outputs, "bytes": len(content)}
    )


def _metadata(trained: Trained, exported: Exported, form: str) -> dict[str, Any]:
    """Facts as names and plain texts; what has parts of its own is JSON."""
    plain = {
        name: value if isinstance(value, str | int | float | bool) else json.dumps(value, ensure_ascii=False)
        for name, value in exported.facts.items()
    }
    told = {"model_type": f"throughtime-{exported.runner}-{form}", "version": __version__, "task": trained.task}
    return {**told, **plain, **_trained(trained)}


def _trained(trained: Trained) -> dict[str, Any]:
    """What the model is, in a few numbers."""
    settings = trained.settings
    shape = {name: getattr(settings, name, None) for name in ("cell", "layers", "hidden", "bidirectional")}
    parameters = sum(value.numel() for value in trained.model.parameters())
    return {name: value for name, value in shape.items() if value is not None} | {"parameters": parameters}
