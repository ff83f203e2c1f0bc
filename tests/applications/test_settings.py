"""Every setting is checked, read by something, and told to the user by its name."""

from __future__ import annotations

import ast
import inspect
import sys
from dataclasses import fields
from typing import Any

import pytest
from pydantic import ValidationError

from sources import parsed
from throughtime.applications import dividing, opened, supervised
from throughtime.applications.settings import EXTENDABLE, TrainSettings, check_settings, option
from throughtime.applications.supervised import Supervised
from throughtime.applications.task import Task
from throughtime.applications.text_model import TextSettings
from throughtime.data.parts import PARTS
from throughtime.errors import UserError
from throughtime.models import StackConfig
from throughtime.tasks import TASKS, find_task
from throughtime.training import Plan


def test_every_training_setting_reaches_the_plan() -> None:
    given: dict[str, Any] = {
        "epochs": 3.5,
        "steps": 70,
        "least_steps": 30,
        "minutes": 2.0,
        "optimiser": "asgd",
        "lr": 0.5,
        "schedule": "plateau",
        "warmup": 7,
        "momentum": 0.3,
        "weight_decay": 0.01,
        "average": 0.25,
        "clip_norm": 0.25,
        "clip_value": 0.1,
        "evaluate_every": 9,
        "patience": 4,
        "checkpoint_seconds": 11.0,
        "accumulate": 2,
        "deterministic": True,
        "shards": 5,
        "seed": 9,
    }
    plan = TrainSettings(**given).plan()
    assert {name: getattr(plan, name) for name in given} == given
    assert {field.name for field in fields(Plan)} - given.keys() == {"log_every"}


class Longer(TrainSettings):
    """A task's settings with more steps than few passes come to."""

    epochs: float = option(4.0, "Passes over the data.", "Training", gt=0)
    least_steps: int = option(500, "Steps at least.", "Training", ge=0)


@pytest.mark.parametrize(
    ("options", "least"),
    [
        ({}, 500),
        ({"lr": 0.1}, 500),
        ({"epochs": 4.0}, 0),  # as many as are asked for, even if they are as many as ever
        ({"epochs": 30.0}, 0),
        ({"least_steps": 70}, 70),
        ({"epochs": 4.0, "least_steps": 70}, 70),
    ],
)
def test_passes_that_are_asked_for_are_no_more(options: dict[str, Any], least: int) -> None:
    settings = check_settings(Longer, options)
    assert settings.plan().least_steps == least
    assert check_settings(Longer, settings.model_dump(mode="json")) == settings  # as a model folder keeps them
    recorded = {name: value for name, value in settings.model_dump(mode="json").items() if name != "least_steps"}
    assert check_settings(Longer, recorded).least_steps == 0  # as folders kept them that knew of no least steps


@pytest.mark.parametrize("task", [task for task in TASKS.values() if not task.makes_data])
def test_every_task_on_data_has_least_steps_that_5000_examples_do_not_feel(task: Task) -> None:
    plan, batch = task.settings().plan(), task.settings().batch
    assert plan.lengthened(-(-50 // batch))
    assert not plan.lengthened(-(-5_000 // batch))
    assert not task.settings(epochs=plan.epochs).plan().lengthened(1)


def test_zero_turns_clipping_off() -> None:
    plan = TrainSettings(clip_norm=0, clip_value=0).plan()
    assert (plan.clip_norm, plan.clip_value) == (None, None)


def modules_of(task: Task) -> set[str]:
    """The task's module, and those of its floor that it imports, directly or not."""
    waiting = [(task.application if isinstance(task, Supervised) else type(task)).__module__]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found or not name.startswith(("throughtime.tasks.", "throughtime.applications.")):
            continue
        found.add(name)
        tree = parsed(inspect.getsource(sys.modules[name]))
        waiting += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return found


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_setting_is_read(task: Task) -> None:
    """An option that nothing reads is a promise that nobody keeps."""
    kind = task.settings
    read = {
        node.attr
        for name in {supervised.__name__, opened.__name__, dividing.__name__, *modules_of(task)}
        for node in ast.walk(parsed(inspect.getsource(sys.modules[name])))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    # The stack takes its fields by name, and so do the parts of the data.
    assert set(kind.model_fields) - read - {field.name for field in fields(StackConfig)} - {*PARTS} == set()
    assert kind.model_fields.keys() >= EXTENDABLE


@pytest.mark.parametrize("kind", [task.settings for task in TASKS.values()])
def test_every_setting_is_told(kind: type[TrainSettings]) -> None:
    for name, field in kind.model_fields.items():
        assert (field.description or "").endswith((".", ".")), name
        assert isinstance(field.json_schema_extra, dict)
        assert field.json_schema_extra["group"] in ("Data", "Model", "Training")


def test_settings_survive_a_round_trip_through_json() -> None:
    settings = TextSettings(cell="lstm-projected", cell_option=("proj_size=3", "x=1.5", "y=z"), bptt=7, minutes=1.5)
    again = TextSettings(**settings.model_dump(mode="json"))
    assert again == settings
    assert again.cell_options() == {"proj_size": 3, "x": 1.5, "y": "z"}
    assert type(again.cell_options()["proj_size"]) is int


@pytest.mark.parametrize(
    ("options", "cut"),
    [
        ({}, 100),
        ({"sentences": True}, 0),
        ({"sentences": True, "bptt": 35}, 35),
        ({"bptt": 0}, 0),
    ],
)
def test_the_cut_depends_on_what_a_text_is(options: dict[str, Any], cut: int) -> None:
    assert TextSettings(**options).cut == cut


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, r"^--lr: input should be greater than 0, got -1\.0$"),
        ({"held_out": 1.0}, r"^--held-out: input should be less than 1, got 1\.0$"),
        ({"lr": float("inf")}, r"^--lr: .*finite.*, got inf$"),
        ({"nonsense": 1}, r"^unknown option --nonsense.*; it has --batch, "),
        ({"cell_option": ("a",)}, r"^--cell-option: expected name=value, got "),
        ({"tied": True, "adaptive": True}, r"^expected --tied or --adaptive, not both"),
    ],
)
def test_a_wrong_setting_is_named_as_the_command_line_names_it(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_settings(TextSettings, options)


def test_settings_do_not_change() -> None:
    settings = TextSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.lr = 1.0  # type: ignore[misc]


def test_tasks_are_found_by_name() -> None:
    assert find_task("text") is TASKS["text"]
    assert all(name == task.name and task.summary for name, task in TASKS.items())
    with pytest.raises(UserError, match=r"unknown task 'txt' \(did you mean 'text'\?\); built-in tasks: text"):
        find_task("txt")


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_a_task_does_all_that_a_task_does(task: Task) -> None:
    for name in ("start", "resume", "describe", "options", "load"):
        assert getattr(type(task), name) is not getattr(Task, name)
