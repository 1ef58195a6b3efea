"""COCO JSON into columns against json.load and the loaders of other libraries.

Not like for like: json.load gives Python objects, the loaders also index the data for evaluation;
the readers here give columns only, from a mapped file. Files: 500,000 detections (49 MB) and a
dataset of 36,800 polygons (20 MB), written once to $TAMIS_BENCH_DATA or a temporary folder.
$TAMIS_BENCH_THREADS caps the threads of tamis only.
"""

from __future__ import annotations

import contextlib
import io
import json
import mmap
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tamis
from tamis import _core

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import write_files

FOLDER = os.environ.get("TAMIS_BENCH_DATA", os.path.join(tempfile.gettempdir(), "tamis-bench"))
DETECTIONS = int(os.environ.get("TAMIS_BENCH_DETECTIONS", 500_000))


@pytest.fixture(scope="module")
def files():
    return write_files(FOLDER, DETECTIONS)[:2]


@pytest.fixture(params=[1, 0], ids=["one-thread", "all-threads"])
def threads(request):
    tamis.set_num_threads(request.param or int(os.environ.get("TAMIS_BENCH_THREADS", 0)))
    yield request.param
    tamis.set_num_threads(0)


def python_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_mapped(reader, path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return reader(data)


def tamis_results(path):
    return read_mapped(_core.read_coco_results, path)


def tamis_dataset(path):
    return read_mapped(_core.read_coco_dataset, path)


def library(name):
    """Its COCO class, silent."""
    coco = pytest.importorskip(name).COCO

    def quiet(path):
        with contextlib.redirect_stdout(io.StringIO()):
            return coco(str(path))

    return quiet


def assert_columns(got, records):
    assert len(records) == len(next(iter(got.values())))
    for key, values in got.items():
        np.testing.assert_array_equal(values, np.array([r[key] for r in records], values.dtype))


@pytest.mark.benchmark(group="results: 500,000 detections")
class TestResults:
    def test_tamis(self, benchmark, files, threads):
        assert_columns(tamis_results(files[1]), python_json(files[1]))
        benchmark(tamis_results, files[1])

    def test_python_json(self, benchmark, files):
        benchmark.pedantic(python_json, (files[1],), rounds=3)

    @pytest.mark.parametrize("name", ["pycocotools.coco", "hotcoco", "ultrafast_pycocotools"])
    def test_loader(self, benchmark, files, name):
        truth = library(name)(files[0])

        def load():
            with contextlib.redirect_stdout(io.StringIO()):
                return truth.loadRes(str(files[1]))

        assert len(load().getAnnIds()) == len(tamis_results(files[1])["score"])
        benchmark.pedantic(load, rounds=5)


@pytest.mark.benchmark(group="dataset: 36,800 polygons")
class TestDataset:
    def test_tamis(self, benchmark, files, threads):
        got, document = tamis_dataset(files[0]), python_json(files[0])
        for key in "images", "annotations", "categories":
            assert_columns(got[key], document[key])
        benchmark(tamis_dataset, files[0])

    def test_python_json(self, benchmark, files):
        benchmark.pedantic(python_json, (files[0],), rounds=3)

    @pytest.mark.parametrize("name", ["pycocotools.coco", "hotcoco", "ultrafast_pycocotools"])
    def test_loader(self, benchmark, files, name):
        load = library(name)
        assert len(load(files[0]).getAnnIds()) == len(tamis_dataset(files[0])["annotations"]["id"])
        benchmark.pedantic(load, (files[0],), rounds=5)
