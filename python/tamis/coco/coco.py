"""The COCO dataset API of pycocotools 2.0.11, with annotations kept as columns until accessed."""

from __future__ import annotations

import copy  # noqa: F401  some names are here for those who import them from pycocotools.coco
import itertools
import json  # noqa: F401
import os
import sys  # noqa: F401
import time
from collections import defaultdict
from typing import Any

import numpy as np

from tamis.coco import mask
from tamis.coco._coco_json import read_dataset, read_results, results_from_array
from tamis.coco._columns import Columns, KnownIds
from tamis.coco._faults import check_known, load_json, naming_records, not_a_list
from tamis.coco._hooks import Originals
from tamis.coco._lazy import LazyDataset
from tamis.coco._prepare import prepare_results
from tamis.coco._sources import Results, Source, results_from_dicts

__version__, PYTHON_VERSION = "2.0", 3
maskUtils = mask  # by this name others import it from here
NOT_OF_THIS_SET = "Results do not correspond to current coco set"


def __getattr__(name: str) -> Any:
    if name == "urlretrieve":  # urllib.request takes 20 ms to import
        from urllib.request import urlretrieve

        return urlretrieve
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _isArrayLike(obj: Any) -> bool:
    return hasattr(obj, "__iter__") and hasattr(obj, "__len__")


def _as_list(obj: Any) -> Any:
    return obj if _isArrayLike(obj) else [obj]


def _members(values: Any) -> Any:
    """`values` for `in`: a set where that finds the same, as a list is slow to search.

    Tensors do not, nor do lists of them: they equal numbers and are hashed by identity.
    """
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "iuf":
        return set(values.tolist())
    if isinstance(values, (list, tuple)) and all(
        issubclass(t, (int, float, str, np.generic)) for t in set(map(type, values))
    ):
        return set(values)
    return values


def unknown_images(columns: Columns, known: list[Any]) -> list[Any]:
    """The image ids of results that are not among those that are known."""
    place = KnownIds(known).places(columns.image_id, columns.image_names)
    unknown = columns.image_id[place < 0].tolist()
    names = columns.image_names
    return unknown if names is None else [names[i] for i in unknown]


class COCO(LazyDataset):
    """A COCO dataset: annotations, images and categories, and look-ups by id.

    Parameters
    ----------
    annotation_file : str or path, optional
        A COCO JSON file. Its annotations are read into columns; `dataset`, `anns`, `cats`, `imgs`,
        `imgToAnns` and `catToImgs` are built when one of them is first accessed. From then on,
        edits to them take effect.

    Notes
    -----
    Same names, arguments, results and printed text as ``pycocotools.coco.COCO`` 2.0.11. Everything
    needed to build them is kept in memory, so the file may change or be deleted.
    """

    _INDEX = ("dataset", "anns", "cats", "imgs", "imgToAnns", "catToImgs")

    def __init__(self, annotation_file: Any = None) -> None:
        self._start()
        if annotation_file is None:
            self._set_index({}, {}, {}, {}, defaultdict(list), defaultdict(list))
            return
        print("loading annotations into memory...")
        tic = time.time()
        source, dataset = read_dataset(annotation_file)
        if source is not None and ORIGINAL.replaced(self, "createIndex"):
            dataset, source = source.rebuild(), None  # who indexes must see the dicts
        if source is None and type(dataset) is not dict:
            raise AssertionError(
                f"annotation file format {type(dataset)} not supported: {annotation_file}"
            )
        print(f"Done (t={time.time() - tic:0.2f}s)")
        if source is None:
            self.dataset = dataset
            self.createIndex()
        else:
            print("creating index...")
            self._source = source
            print("index created!")

    @staticmethod
    def _index_of(dataset: Any) -> tuple[Any, ...]:
        anns, imgs, cats = {}, {}, {}
        img_to_anns, cat_to_imgs = defaultdict(list), defaultdict(list)
        for ann in dataset.get("annotations", ()):
            img_to_anns[ann["image_id"]].append(ann)
            anns[ann["id"]] = ann
        for img in dataset.get("images", ()):
            imgs[img["id"]] = img
        for cat in dataset.get("categories", ()):
            cats[cat["id"]] = cat
        if "annotations" in dataset and "categories" in dataset:
            for ann in dataset["annotations"]:
                cat_to_imgs[ann["category_id"]].append(ann["image_id"])
        return dataset, anns, cats, imgs, img_to_anns, cat_to_imgs

    # --- pycocotools -----------------------------------------------------------------------

    def createIndex(self) -> None:
        """Rebuild the index after `dataset` was set or edited."""
        print("creating index...")
        tables = ("annotations", "images", "categories")
        with naming_records(*((key, lambda key=key: self.dataset[key]) for key in tables)):
            self._set_index(*self._index_of(self.dataset))
        print("index created!")

    def info(self) -> None:
        """Print the dataset's `info` fields."""
        for key, value in self.dataset["info"].items():
            print(f"{key}: {value}")

    def getAnnIds(
        self,
        imgIds: Any = [],
        catIds: Any = [],
        areaRng: Any = [],
        iscrowd: Any = None,
    ) -> list[Any]:
        """Ids of the annotations of these images, categories, open area range and crowd flag."""
        imgIds, catIds = _as_list(imgIds), _as_list(catIds)
        if len(imgIds) > 0:
            index = self.imgToAnns
            anns = list(itertools.chain.from_iterable(index[i] for i in imgIds if i in index))
        else:
            anns = self.dataset["annotations"]
        if len(catIds) > 0:
            wanted = _members(catIds)
            anns = [ann for ann in anns if ann["category_id"] in wanted]
        if len(areaRng) > 0:
            anns = [ann for ann in anns if areaRng[0] < ann["area"] < areaRng[1]]
        if iscrowd is not None:
            anns = [ann for ann in anns if ann["iscrowd"] == iscrowd]
        return [ann["id"] for ann in anns]

    def getCatIds(self, catNms: Any = [], supNms: Any = [], catIds: Any = []) -> list[Any]:
        """Ids of the categories of these names, supercategories and ids."""
        catNms, supNms, catIds = _as_list(catNms), _as_list(supNms), _as_list(catIds)
        if len(catNms) == len(supNms) == len(catIds) == 0 and (source := self._untouched()):
            return source.category_ids()
        cats = self.dataset["categories"]
        for wanted, key in ((catNms, "name"), (supNms, "supercategory"), (catIds, "id")):
            if len(wanted) > 0:
                cats = [cat for cat in cats if cat[key] in wanted]
        return [cat["id"] for cat in cats]

    def getImgIds(self, imgIds: Any = [], catIds: Any = []) -> list[Any]:
        """Ids of the images among `imgIds` that have every one of `catIds`."""
        imgIds, catIds = _as_list(imgIds), _as_list(catIds)
        if len(imgIds) == len(catIds) == 0:
            if source := self._untouched():
                return source.image_ids()
            return list(self.imgs.keys())
        ids = set(imgIds)
        for i, cat in enumerate(catIds):
            images = set(self.catToImgs[cat])
            ids = images if i == 0 and len(ids) == 0 else ids & images
        return list(ids)

    def loadAnns(self, ids: Any = []) -> Any:
        """The annotations of these ids."""
        return self._load(self.anns, ids)

    def loadCats(self, ids: Any = []) -> Any:
        """The categories of these ids."""
        return self._load(self.cats, ids)

    def loadImgs(self, ids: Any = []) -> Any:
        """The images of these ids."""
        return self._load(self.imgs, ids)

    @staticmethod
    def _load(index: dict[Any, Any], ids: Any) -> Any:
        if _isArrayLike(ids):
            return [index[i] for i in ids]
        return [index[ids]] if type(ids) is int else None

    def loadRes(self, resFile: Any) -> COCO:
        """Detections as a dataset over the same images.

        Parameters
        ----------
        resFile : str, path, list of dict or (N, 7) ndarray
            A results file, its content (the dicts gain `id`, `area`, `iscrowd` and what else
            pycocotools adds), or rows ``image_id, x, y, w, h, score, category_id``.

        Raises
        ------
        AssertionError
            The results are not a list, or name an image this dataset does not have.
        KeyError, IndexError
            As in pycocotools: results lack a required field, or there are no results.
        """
        res = COCO()
        base = self._base()
        print("Loading and preparing results...")
        tic = time.time()
        if isinstance(resFile, os.PathLike):
            resFile = os.fspath(resFile)
        path = resFile if type(resFile) is str else None
        read, anns = self._read_results(resFile, base)
        source: Source | None = read
        if read is not None:
            check_known(unknown_images(read.columns, self.getImgIds()), NOT_OF_THIS_SET)
        else:
            with naming_records(("results", lambda: anns)):
                source = self._prepare_results(anns, base, res, path)
        print(f"DONE (t={time.time() - tic:0.2f}s)")
        if source is None:
            res.dataset["annotations"] = anns
            res.createIndex()
        elif ORIGINAL.replaced(res, "createIndex"):
            res.dataset = source.rebuild()
            res.createIndex()
        else:
            print("creating index...")
            res._set_source(source)
            print("index created!")
        return res

    def _read_results(self, results: Any, base: Any) -> tuple[Results | None, Any]:
        """Results as columns, or else their dicts."""
        if type(results) is str:
            source = read_results(results, base)
            return source, load_json(results) if source is None else None
        if type(results) is not np.ndarray:
            return None, results
        if ORIGINAL.replaced(self, "loadNumpyAnnotations"):
            return None, self.loadNumpyAnnotations(results)
        self._announce_array(results)
        source = results_from_array(results, base)
        return source, self._array_rows(results) if source is None else None

    def _prepare_results(self, anns: Any, base: Any, res: COCO, path: Any) -> Source | None:
        """Check and complete dicts; without a source the dataset of `res` is begun."""
        if type(anns) is not list:
            raise not_a_list(anns, "results in not an array of objects", path)
        known = set(self.getImgIds())
        ids = dict.fromkeys(ann["image_id"] for ann in anns)
        check_known((i for i in ids if i not in known), NOT_OF_THIS_SET)
        source = results_from_dicts(anns, base)
        if source is None:
            res.dataset = base.dataset()
            prepare_results(anns, res.dataset)
        return source

    def loadNumpyAnnotations(self, data: Any) -> list[dict[str, Any]]:
        """Rows ``image_id, x, y, w, h, score, category_id`` as result dicts."""
        self._announce_array(data)
        return self._array_rows(data)

    @staticmethod
    def _announce_array(data: Any) -> None:
        print("Converting ndarray to lists...")
        if type(data) is not np.ndarray:
            raise AssertionError
        print(data.shape)
        if data.shape[1] != 7:
            raise AssertionError
        for i in range(0, data.shape[0], 1000000):
            print(f"{i}/{data.shape[0]}")

    @staticmethod
    def _array_rows(data: Any) -> list[dict[str, Any]]:
        return [
            {
                "image_id": int(row[0]),
                "bbox": [row[1], row[2], row[3], row[4]],
                "score": row[5],
                "category_id": int(row[6]),
            }
            for row in data
        ]

    def showAnns(self, anns: Any, draw_bbox: bool = False) -> Any:
        """Draw annotations on the current matplotlib axes."""
        from tamis.coco._show import show_annotations

        return show_annotations(self, anns, draw_bbox)

    def download(self, tarDir: Any = None, imgIds: Any = []) -> Any:
        """Fetch the images' `coco_url` into a folder, those that are not there yet."""
        from urllib.request import urlretrieve

        if tarDir is None:
            print("Please specify target directory")
            return -1
        images = self.imgs.values() if len(imgIds) == 0 else self.loadImgs(imgIds)
        os.makedirs(tarDir, exist_ok=True)
        for i, img in enumerate(images):
            tic = time.time()
            path = os.path.join(tarDir, img["file_name"])
            if not os.path.exists(path):
                urlretrieve(img["coco_url"], path)
            print(f"downloaded {i}/{len(images)} images (t={time.time() - tic:0.1f}s)")
        return None

    def annToRLE(self, ann: dict[str, Any]) -> Any:
        """The annotation's mask as a compressed object; polygons are drawn."""
        size = self.imgs[ann["image_id"]]
        segm = ann["segmentation"]
        if type(segm) is list:
            return mask.merge(mask.frPyObjects(segm, size["height"], size["width"]))
        if type(segm["counts"]) is list:
            return mask.frPyObjects(segm, size["height"], size["width"])
        return segm

    def annToMask(self, ann: dict[str, Any]) -> Any:
        """The annotation's mask as an (h, w) uint8 array."""
        return mask.decode(self.annToRLE(ann))


ORIGINAL = Originals(
    COCO, "createIndex", "getAnnIds", "loadAnns", "annToRLE", "loadNumpyAnnotations"
)
DRAWN = Originals(mask, "frPyObjects", "merge")
