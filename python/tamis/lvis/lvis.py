"""The LVIS dataset API of lvis 0.5.3, with annotations kept as columns until accessed."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tamis.coco import mask
from tamis.coco._faults import load_json, naming_records
from tamis.coco._hooks import Originals
from tamis.coco._lazy import LazyDataset
from tamis.lvis._sources import LvisBase, LvisFile, read_lvis


class LVIS(LazyDataset):
    """An LVIS dataset: annotations, images and categories, and look-ups by id.

    Parameters
    ----------
    annotation_path : str or path
        An LVIS JSON file. Its annotations are read into columns; `dataset`, `anns`, `cats`, `imgs`,
        `img_ann_map` and `cat_img_map` are built when one of them is first accessed. From then on,
        edits to them take effect.

    Notes
    -----
    Same names, arguments and results as ``lvis.LVIS`` 0.5.3.
    """

    _INDEX = ("dataset", "anns", "cats", "imgs", "img_ann_map", "cat_img_map")
    _BASE = LvisBase

    def __init__(self, annotation_path: Any) -> None:
        self._start()
        self.logger = logging.getLogger("tamis.lvis")
        self.logger.info("Loading annotations.")
        if not self._reads_itself():
            self._source = read_lvis(annotation_path)
        if self._source is not None:
            return
        self.dataset = self._load_json(annotation_path)
        if type(self.dataset) is not dict:
            raise AssertionError(f"Annotation file format {type(self.dataset)} not supported.")
        self._create_index()

    def _reads_itself(self) -> bool:
        """Whether reading or indexing of files is overridden, which needs dicts."""
        return ORIGINAL.replaced(self, "_load_json", "_create_index")

    def _load_json(self, path: Any) -> Any:
        return load_json(path)

    @staticmethod
    def _index_of(dataset: Any) -> tuple[Any, ...]:
        anns, cats, imgs = {}, {}, {}
        img_ann_map, cat_img_map = defaultdict(list), defaultdict(list)
        for ann in dataset["annotations"]:
            img_ann_map[ann["image_id"]].append(ann)
            anns[ann["id"]] = ann
            cat_img_map[ann["category_id"]].append(ann["image_id"])
        for img in dataset["images"]:
            imgs[img["id"]] = img
        for cat in dataset["categories"]:
            cats[cat["id"]] = cat
        return dataset, anns, cats, imgs, img_ann_map, cat_img_map

    def _create_index(self) -> None:
        self.logger.info("Creating index.")
        tables = ("annotations", "images", "categories")
        with naming_records(*((key, lambda key=key: self.dataset[key]) for key in tables)):
            self._set_index(*self._index_of(self.dataset))
        self.logger.info("Index created.")

    def get_ann_ids(self, img_ids: Any = None, cat_ids: Any = None, area_rng: Any = None) -> Any:
        """Ids of the annotations of these images, categories and open area range."""
        anns: Iterable[Any] = self.dataset["annotations"]
        if img_ids is not None:
            anns = (ann for i in img_ids for ann in self.img_ann_map[i])
        if cat_ids is None and area_rng is None:
            return [ann["id"] for ann in anns]
        wanted = set(cat_ids)
        low, high = [0, float("inf")] if area_rng is None else area_rng[:2]
        return [
            ann["id"]
            for ann in anns
            if ann["category_id"] in wanted and ann["area"] > low and ann["area"] < high
        ]

    def get_cat_ids(self) -> list[Any]:
        """Ids of all categories."""
        if source := self._untouched():
            return source.category_ids()
        return list(self.cats.keys())

    def get_img_ids(self) -> list[Any]:
        """Ids of all images."""
        if source := self._untouched():
            return source.image_ids()
        return list(self.imgs.keys())

    def _frequency_of(self, cat_ids: Any) -> list[Any]:
        source = self._untouched()
        if isinstance(source, LvisFile) and not ORIGINAL.replaced(self, "load_cats"):
            return [source.federation.frequency[i] for i in cat_ids]
        return [cat["frequency"] for cat in self.load_cats(cat_ids)]

    @staticmethod
    def _load_helper(index: dict[Any, Any], ids: Any) -> list[Any]:
        return list(index.values()) if ids is None else [index[i] for i in ids]

    def load_anns(self, ids: Any = None) -> list[Any]:
        """The annotations of these ids, by default all."""
        return self._load_helper(self.anns, ids)

    def load_cats(self, ids: Any) -> list[Any]:
        """The categories of these ids, all for None."""
        return self._load_helper(self.cats, ids)

    def load_imgs(self, ids: Any) -> list[Any]:
        """The images of these ids, all for None."""
        return self._load_helper(self.imgs, ids)

    def download(self, save_dir: Any, img_ids: Any = None) -> None:
        """Fetch the images' `coco_url` into a folder, those that are not there yet."""
        from urllib.request import urlretrieve

        images = self.load_imgs(img_ids)
        os.makedirs(save_dir, exist_ok=True)
        for img in images:
            path = os.path.join(save_dir, img["coco_url"].split("/")[-1])
            if not os.path.exists(path):
                urlretrieve(img["coco_url"], path)

    def ann_to_rle(self, ann: dict[str, Any]) -> Any:
        """The annotation's mask as a compressed object; polygons are drawn."""
        size = self.imgs[ann["image_id"]]
        segm = ann["segmentation"]
        if isinstance(segm, list):
            return mask.merge(mask.frPyObjects(segm, size["height"], size["width"]))
        if isinstance(segm["counts"], list):
            return mask.frPyObjects(segm, size["height"], size["width"])
        return segm

    def ann_to_mask(self, ann: dict[str, Any]) -> Any:
        """The annotation's mask as an (h, w) uint8 array."""
        return mask.decode(self.ann_to_rle(ann))


ORIGINAL = Originals(
    LVIS, "_load_json", "_create_index", "get_ann_ids", "get_img_ids", "load_anns", "load_cats",
    "load_imgs", "ann_to_rle",
)  # fmt: skip
