"""The COCO dataset API of pycocotools 2.0.11, with annotations kept as columns until touched."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from itertools import chain
from typing import Any

import numpy as np

from tamis._evaluation import positions
from tamis.coco import mask
from tamis.coco._lazy import LazyDataset
from tamis.coco._sources import (
    Source,
    prepare_results,
    read_dataset,
    read_results,
    results_from_array,
)


def _is_array_like(obj: Any) -> bool:
    return hasattr(obj, "__iter__") and hasattr(obj, "__len__")


def _as_list(obj: Any) -> Any:
    return obj if _is_array_like(obj) else [obj]


def _members(values: Any) -> Any:
    """`values` for `in`: a set where every value can be hashed, as a list is slow to search."""
    try:
        return set(values)
    except TypeError:
        return values


def _indexes_itself(coco: COCO) -> bool:
    """Whether somebody overrides `createIndex`, which must then see the dicts."""
    return type(coco).createIndex is not _CREATE_INDEX or "createIndex" in vars(coco)


def _all_known(ids: Any, known: list[Any]) -> bool:
    integers = np.array(known)
    if integers.dtype == np.int64:
        return bool((positions(ids, np.unique(integers)) >= 0).all())
    return set(ids.tolist()) <= set(known)


class COCO(LazyDataset):
    """A COCO dataset: annotations, images and categories, and look-ups by id.

    Parameters
    ----------
    annotation_file : str or path, optional
        A COCO JSON file. Its annotations are read into columns; `dataset`, `anns`, `cats`,
        `imgs`, `imgToAnns` and `catToImgs` are built when one of them is first touched and are
        live from then on: edits to them are honoured.

    Notes
    -----
    Same names, arguments, results and printed text as ``pycocotools.coco.COCO`` 2.0.11. All
    that they need is kept in memory until they are built, so the file may change or go.
    """

    _INDEX = ("dataset", "anns", "cats", "imgs", "imgToAnns", "catToImgs")

    def __init__(self, annotation_file: Any = None) -> None:
        self._source = None
        self._waiting = []
        if annotation_file is None:
            self._set_index({}, {}, {}, {}, defaultdict(list), defaultdict(list))
            return
        print("loading annotations into memory...")
        tic = time.time()
        self._source, dataset = read_dataset(annotation_file)
        if dataset is not None:
            assert type(dataset) is dict, f"annotation file format {type(dataset)} not supported"
        print(f"Done (t={time.time() - tic:0.2f}s)")
        if self._source is not None and _indexes_itself(self):
            dataset, self._source = self._source.rebuild(), None
        if dataset is not None:
            self.dataset = dataset
            self.createIndex()
        else:
            print("creating index...")
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
        """Index `dataset` anew, after it was set or edited."""
        print("creating index...")
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
            anns = list(chain.from_iterable(index[i] for i in imgIds if i in index))
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
        if len(catNms) == len(supNms) == len(catIds) == 0 and self._columns() is not None:
            return list(self._source.category_ids())  # type: ignore[union-attr]
        cats = self.dataset["categories"]
        for wanted, key in ((catNms, "name"), (supNms, "supercategory"), (catIds, "id")):
            if len(wanted) > 0:
                cats = [cat for cat in cats if cat[key] in wanted]
        return [cat["id"] for cat in cats]

    def getImgIds(self, imgIds: Any = [], catIds: Any = []) -> list[Any]:
        """Ids of the images among `imgIds` that have every one of `catIds`."""
        imgIds, catIds = _as_list(imgIds), _as_list(catIds)
        if len(imgIds) == len(catIds) == 0:
            if self._columns() is not None:
                return list(self._source.image_ids())  # type: ignore[union-attr]
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
        if _is_array_like(ids):
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
            As pycocotools, for results without a field it needs, or none at all.
        """
        res = COCO()
        base = self._base()
        print("Loading and preparing results...")
        tic = time.time()
        source: Source | None = None
        if isinstance(resFile, os.PathLike):
            resFile = os.fspath(resFile)
        anns: Any = resFile
        if type(resFile) is str:
            source = read_results(resFile, base)
            if source is None:
                with open(resFile) as f:
                    anns = json.load(f)
        elif type(resFile) is np.ndarray:
            self._announce_array(resFile)
            source = results_from_array(resFile, base)
            if source is None:
                anns = self._array_rows(resFile)
        if source is not None:
            assert _all_known(source.columns.image_id, self.getImgIds()), (
                "Results do not correspond to current coco set"
            )
        else:
            assert type(anns) is list, "results in not an array of objects"
            assert {ann["image_id"] for ann in anns} <= set(self.getImgIds()), (
                "Results do not correspond to current coco set"
            )
            res.dataset = base.dataset()
            prepare_results(anns, res.dataset)
        print(f"DONE (t={time.time() - tic:0.2f}s)")
        if source is None:
            res.dataset["annotations"] = anns
            res.createIndex()
            return res
        if _indexes_itself(res):
            res.dataset = source.rebuild()
            res.createIndex()
            return res
        print("creating index...")
        res._set_source(source)
        print("index created!")
        return res

    def loadNumpyAnnotations(self, data: Any) -> list[dict[str, Any]]:
        """Rows ``image_id, x, y, w, h, score, category_id`` as result dicts."""
        self._announce_array(data)
        return self._array_rows(data)

    @staticmethod
    def _announce_array(data: Any) -> None:
        print("Converting ndarray to lists...")
        assert type(data) is np.ndarray
        print(data.shape)
        assert data.shape[1] == 7
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
        """The annotation's mask as a compressed object: what it already is, or polygons drawn."""
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


_CREATE_INDEX = COCO.createIndex
