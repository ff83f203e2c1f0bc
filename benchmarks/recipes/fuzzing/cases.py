"""What is read of damaged files, by the functions that the commands call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from fuzzing.case import Case
from fuzzing.corpus import Data, all_data
from fuzzing.models import settings, train
from fuzzing.series import series_cases
from throughtime.api import open_task
from throughtime.applications.live.one import read_stream
from throughtime.applications.opened import Opened
from throughtime.applications.options import Options
from throughtime.applications.reading.account import read_account
from throughtime.applications.supervised import Supervised
from throughtime.applications.task import Wanted
from throughtime.applications.text_model import TextModel
from throughtime.cli.shared.common import read_lines
from throughtime.data.parts import PARTS
from throughtime.errors import UserError
from throughtime.inspection.history import read_history
from throughtime.layers import Recurrent
from throughtime.tasks import TASKS
from throughtime.tasks.speech.fusion import open_fusion

DRAWN = 8
LINES = ("the cat sat", "abo", "ACGTACGT", "(1 (0 good) (2 cat))")
"""One of them is what a model of lines reads."""


def learn(data: Data, root: Path) -> None:
    """What training does with data before it trains."""
    task = TASKS[data.task]
    options = settings(task, data.options)
    if "vectors" in options:
        options["vectors"] = str(root / options["vectors"])
    path = root / data.path
    if not isinstance(task, Supervised):
        task.start([str(path)], root / "run", options)
        return
    application = task.application
    checked = task.settings(**options)
    files = application.find([path], checked)
    parts = {part: list(application.read(files[part], checked)) for part in PARTS if part in files}
    application.remarks(parts["train"], checked)
    if not parts["train"]:
        return
    vocabulary = application.learn(parts["train"], checked)
    bound = application(checked, vocabulary)
    for examples in parts.values():
        bound.batch(examples[:8])
    if "vectors" in options:
        bound.initialise(bound.build())


def start(data: Data, root: Path) -> None:
    """All that comes before training, the model folder written."""
    task = TASKS[data.task]
    options = settings(task, data.options)
    if "vectors" in options:
        options["vectors"] = str(root / options["vectors"])
    task.start([str(root / data.path)], root / "run", options)


def data_case(data: Data) -> Case:
    """Training's readers on a format."""

    def read(root: Path, draw: Random, target: str) -> None:
        (start if draw.random() < 0.05 else learn)(data, root)

    format_ = Path(
        data.targets[0] if data.targets else data.path if data.path != "." else next(iter(data.files))
    ).suffix
    name = f"{data.task}: {format_ or 'folder'}{' folder' if data.path == '.' else ''}"
    detail = "+".join(sorted({Path(file).suffix for file in data.files}))
    unit = data.options.get("unit", "")
    return Case(f"{name} ({detail}) {unit}".strip(), data.files, data.targets or list(data.files), read, data.weight)


LINES_FILE = "lines.txt"
STREAM_FILE = "stream.txt"
LONG = 600
STREAMED = {
    "text": b"the cat\r\n sat,\n",
    "rows": b"0.5, 1e-3\n1 2\n",
    "number": b"0.5\n\n1e-3\n",
    "event": b"0 1 C4\n0 2 e4\n1.5 0.5 64\n",
    "frame": b"C4+E4\n\n60 67\n",
}
"""Lines as a stream takes them, by what they hold."""


def stream_case(model: Path, name: str, data: Data) -> Case | None:
    """What a trained model reads line by line; None where it reads no lines as they come."""
    opened = open_task(model, None).load(model)
    try:
        live = opened.live()
    except UserError:  # it reads in both directions, say
        return None
    if live.takes == "audio":
        return None
    content = STREAMED["number" if live.facts.get("numbers") == 1 else live.facts.get("step", live.takes)]
    if data.task == "dna":
        content = b"ACGTN\nRYAC\n"

    def read(root: Path, draw: Random, target: str) -> None:
        path = root / target
        if path.is_file() and path.stat().st_size > LONG:  # a step a letter takes its time
            path.write_bytes(path.read_bytes()[:LONG])
        for _ in read_stream(live, path, Options()):
            pass

    return Case(f"stream {name}", {STREAM_FILE: content}, [STREAM_FILE], read)


def predict_case(model: Path, name: str, data: Data) -> Case:
    """What a trained model reads to predict: files of a kind that training reads, or lines."""
    predictor = open_task(model, None).load(model)
    kinds = {*predictor.suffixes, *(predictor.bound.tables if isinstance(predictor, Opened) else ())}
    for layer in predictor.model.modules():
        if isinstance(layer, Recurrent):
            layer.engine = "auto"  # one model for many inputs: compiling it pays
    asked = {"explain": True} if data.task == "speech" else {}
    options = open_task(model, None).options(model, "predict")(**asked)

    def read(root: Path, draw: Random, target: str) -> None:
        path = root / target
        if target != LINES_FILE:
            for _ in predictor.answers(path.parent if predictor.is_whole(path.parent) else path, options):
                pass
        else:
            most = 400 if draw.random() < 0.05 else 12
            predictor.predict([line[:most] for line in read_lines(str(path))[:2]], options)

    targets = [file for file in data.targets or data.files if Path(file).suffix in kinds or data.model == "utterances"]
    targets = targets if len(targets) < 10 else targets[:1]
    if predictor.suffixes:
        return Case(f"predict {name}", data.files, targets, read)
    return Case(f"predict {name}", {**data.files, LINES_FILE: "\n".join(LINES).encode()}, [*targets, LINES_FILE], read)


def go_on(root: Path) -> None:
    """Resumes a run, and looks at its curve."""
    read_history(root / "metrics.jsonl")
    open_task(root, None).resume(root, {})


def use(root: Path, draw: Random) -> None:
    """Reads what was read, and predicts, or draws where there is nothing to predict."""
    if (root / "data.json").exists():
        read_account(root / "data.json")
    task = open_task(root, None)
    if task.name in ("text", "music"):
        drawing = task.options(root, "sample").model_validate({"length": DRAWN, "seed": 0})
        list(task.load(root).sampler().sample(drawing))
    if task.name == "text":
        TextModel(root).score(["the cat"])
    else:
        predictor = task.load(root)
        if not predictor.suffixes:
            predictor.predict([LINES[LINE.get(task.name, 0)]], task.options(root, "predict")())


LINE = {"pronunciation": 1, "dna": 2, "sentiment-trees": 3}
"""What a model of lines reads, where it is no sentence."""


def folder_case(name: str, files: Mapping[str, bytes], beside: Mapping[str, bytes], makes: bool) -> Case:
    """A model folder, by the commands that open one; ``beside``: what its examples name."""

    def read(root: Path, draw: Random, target: str) -> None:
        run = root / "run"
        kept = ("checkpoint.safetensors", "train.jsonl", "train.ids", "metrics.jsonl")
        task = open_task(run, None)
        way = draw.random()
        if way < (0.7 if Path(target).name in kept else 0.3):
            go_on(run)
        elif way < 0.75 and not makes:
            use(run, draw)
        elif way < 0.9:
            task.load(run).evaluate((), task.options(run, "evaluate")())
        else:
            task.load(run, latest=True).inspected(Wanted(rows=2, length=20))

    inside = {f"run/{file}": content for file, content in files.items()}
    return Case(f"folder {name}", {**beside, **inside}, often(inside), read, folder=True)


def often(files: Mapping[str, bytes]) -> list[str]:
    """Files, those that say most about a model three times as often."""
    return [*files, *2 * [name for name in files if name.endswith(".json")]]


def lm_case(files: Mapping[str, bytes]) -> Case:
    """The folder of a language model that helps a recogniser."""

    def read(root: Path, draw: Random, target: str) -> None:
        lm = open_fusion(root / "run", ["", "a", "b", "t", " "], "characters")
        lm.extend([lm.start()], [1])

    inside = {f"run/{file}": content for file, content in files.items()}
    return Case("folder as --lm", inside, often(inside), read, folder=True)


def all_cases(work: Path) -> Sequence[Case]:
    """Every reader; models are trained below a folder."""
    cases = series_cases()
    for number, data in enumerate(all_data()):
        cases.append(data_case(data))
        if data.model:
            place, name = work / str(number), f"{data.task} {data.model}"
            place.mkdir(parents=True)
            files = train(place, data.task, data)
            cases.append(folder_case(name, files, data.files if data.task in ("speech", "video") else {}, False))
            if data.task != "text":
                cases.append(predict_case(place / "run", name, data))
            if (case := stream_case(place / "run", name, data)) is not None:
                cases.append(case)
            if data.model == "characters":
                cases.append(lm_case(files))
    for task in TASKS.values():
        if task.makes_data:
            (work / task.name).mkdir()
            cases.append(folder_case(task.name, train(work / task.name, task.name, None), {}, True))
    return cases
