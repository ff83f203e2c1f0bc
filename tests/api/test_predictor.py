"""A predictor gives what its run gives, to whoever calls it, in whatever process, on whatever kind of table."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import throughtime
from throughtime.api.archive import opening
from throughtime.applications.task import Trained

LINES = [f"a {word} film number {n}" for n in range(6) for word in ("fine", "dull", "warm")] + [""]
BATCHES = [LINES[at : at + 5] for at in range(0, len(LINES), 5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of reviews."""
    made = [
        (f"a {word} film, part {n}", label) for n in range(20) for word, label in (("fine", "good"), ("dull", "bad"))
    ]
    out = tmp_path_factory.mktemp("predictor") / "run"
    throughtime.train("sentiment", made, out=out, hidden=4, embedding=4, steps=10, progress=False)
    return out


@pytest.fixture(scope="module")
def predictor(folder: Path) -> throughtime.Predictor:
    return throughtime.Predictor(folder)


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[dict[str, Any]]:
    return [found.data for found in throughtime.load(folder).predict(LINES)]


@pytest.fixture(scope="module")
def columns(folder: Path) -> list[dict[str, Any]]:
    return [found.columns for found in throughtime.load(folder).predict(LINES)]


def flat(found: Any) -> list[dict[str, Any]]:
    return [one.data for batch in found for one in batch]


def test_it_pickles_small_and_opens_the_model_once(
    predictor: throughtime.Predictor, monkeypatch: pytest.MonkeyPatch, expected: list[dict[str, Any]]
) -> None:
    packed = pickle.dumps(predictor)
    assert len(packed) < 1000
    monkeypatch.setattr(opening, "_OPENED", {})
    opened: list[Path] = []
    ready = throughtime.Run.ready
    monkeypatch.setattr(throughtime.Run, "ready", lambda run: (opened.append(run.folder), ready(run))[1])
    assert flat(pickle.loads(packed)(batch) for batch in BATCHES) == expected
    assert len(opened) == 1


def _fork(predictor: Any) -> Any:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(predictor, BATCHES, chunksize=1)


def _spawn(predictor: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(predictor, BATCHES, chunksize=1)


def _futures(predictor: Any) -> Any:
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        return list(pool.map(predictor, BATCHES))


def _threads(predictor: Any) -> Any:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(predictor, BATCHES))


def _joblib(predictor: Any) -> Any:
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    return joblib.Parallel(n_jobs=2)(joblib.delayed(predictor)(batch) for batch in BATCHES)


@pytest.mark.parametrize("way", [_fork, _spawn, _futures, _threads, _joblib])
def test_processes_find_what_the_run_finds(way: Any, predictor: Any, expected: list[dict[str, Any]]) -> None:
    assert flat(way(predictor)) == expected


@pytest.mark.filterwarnings("ignore")
def test_ray_maps_batches_with_actors(folder: Path, columns: list[dict[str, Any]]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    data = pytest.importorskip("ray.data", reason="Ray Data is not installed")
    rows = data.from_items([{"text": line, "number": n} for n, line in enumerate(LINES)])
    for kind in ("numpy", "pandas", "pyarrow"):
        found = rows.map_batches(
            throughtime.Predictor, fn_constructor_args=[str(folder)], concurrency=2, batch_size=5, batch_format=kind
        )
        told = sorted(found.take_all(), key=lambda row: row["number"])
        assert [{name: row[name] for name in columns[0]} for row in told] == columns


@pytest.mark.filterwarnings("ignore")
def test_spark_maps_frames(predictor: throughtime.Predictor, columns: list[dict[str, Any]]) -> None:
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    sql = pytest.importorskip("pyspark.sql", reason="Spark is not installed")
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        frame = session.createDataFrame([(n, line) for n, line in enumerate(LINES)], "number int, text string")
        schema = "number int, text string, predicted string, probability double"
        told = frame.repartition(3).mapInPandas(predictor, schema).orderBy("number").collect()
        assert [{name: row[name] for name in columns[0]} for row in told] == columns
    finally:
        session.stop()


@pytest.mark.parametrize("kind", ["lists", "arrays", "mappings", "pandas", "polars", "pyarrow"])
def test_a_table_comes_back_with_columns_beside_its_own(
    kind: str, predictor: throughtime.Predictor, columns: list[dict[str, Any]]
) -> None:
    table = {"text": LINES, "Predicted": list(range(len(LINES)))}
    if kind in ("lists", "arrays"):
        made: Any = table if kind == "lists" else {name: np.array(values) for name, values in table.items()}
        found = predictor(made)
        assert all(isinstance(values, list if kind == "lists" else np.ndarray) for values in found.values())
        told = {name: list(values) for name, values in found.items()}
    elif kind == "mappings":
        rows = predictor([dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)])
        told = {name: [row[name] for row in rows] for name in rows[0]}
    else:
        library = pytest.importorskip(kind, reason=f"{kind} is not installed")
        made = library.table(table) if kind == "pyarrow" else library.DataFrame(table)
        found = predictor(made)
        assert type(found) is type(made)
        told = found.to_pydict() if kind == "pyarrow" else {name: list(found[name]) for name in found.columns}
    assert list(told) == ["text", "Predicted", "predicted_2", "probability"]
    assert told["text"] == LINES
    assert told["predicted_2"] == [one["predicted"] for one in columns]
    assert told["probability"] == [one["probability"] for one in columns]


def test_a_batch_has_the_same_columns_whatever_is_in_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = throughtime.Predictor(folder, whole="all", errors="keep")
    names = ["text", "predicted", "probability", "all", "error"]
    for texts in ([], [None], [None, "a film"], ["a film"]):
        found = predictor({"text": texts})
        assert list(found) == names
        assert {len(values) for values in found.values()} == {len(texts)}
        assert [value is None for value in found["predicted"]] == [text is None for text in texts]
    assert '"label": ' in found["all"][0]


def test_it_is_told_by_its_name_alone_which_column_is_meant(folder: Path) -> None:
    with pytest.raises(throughtime.UserError, match=r"expected column 'text', as in training, got 'a', 'b'; name the"):
        throughtime.Predictor(folder)({"a": ["a film"], "b": ["what a long text this is"]})
    found = throughtime.Predictor(folder, text_column="b")({"a": ["a film"], "b": ["a fine film"]})
    assert found["predicted"] == [throughtime.load(folder).predict("a fine film")[0].columns["predicted"]]


def test_errors_are_kept_where_that_is_asked_for(folder: Path) -> None:
    batch = {"text": ["a film", 7, "a book"]}
    with pytest.raises(throughtime.UserError):
        throughtime.Predictor(folder)(batch)
    found = throughtime.Predictor(folder, errors="keep")(batch)
    assert [value is None for value in found["predicted"]] == [False, True, False]
    assert [value is None for value in found["error"]] == [True, False, True]


def test_iterators_of_batches_become_iterators(predictor: Any, expected: list[dict[str, Any]]) -> None:
    found = predictor(iter(BATCHES))
    assert isinstance(found, Iterator)
    assert flat(found) == expected


def test_it_computes_on_one_thread_and_leaves_others_theirs(
    folder: Path, predictor: throughtime.Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = opening.Run.trained.fget
    assert real is not None
    monkeypatch.setattr(
        throughtime.Run, "trained", property(lambda run: (seen.append(torch.get_num_threads()), real(run))[1])
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert isinstance(opening.Opening.of(folder).run().trained, Trained)
        seen.clear()
        predictor(["a film"])
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_another_model_in_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "run")
    made = throughtime.Predictor(tmp_path / "run")
    with (tmp_path / "run" / "config.json").open("a") as config:
        config.write("\n")
    with pytest.raises(throughtime.UserError, match="holds another model than when this was begun"):
        made(["a film"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nbst": 2}, "unknown option --nbst"),
        ({"out": "x.csv"}, "out: expected no file"),
        ({"errors": "drop"}, "errors: expected 'raise' or 'keep', got 'drop'"),
    ],
)
def test_what_is_wrong_shows_where_it_is_made(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(throughtime.UserError, match=message):
        throughtime.Predictor(folder, **options)
    with pytest.raises(throughtime.UserError, match="expected a model folder"):
        throughtime.Predictor(folder / "none")
