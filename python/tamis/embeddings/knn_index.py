"""An index of exact neighbours: rows made ready once, searched many times."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from tamis._shared import arrays, output
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis._shared.typed import AnyArray
from tamis.embeddings import knn_index_file
from tamis.embeddings.knn_exact import Metric, nearest_by, output_of
from tamis.embeddings.knn_index_rows import check_radius, share_index
from tamis.embeddings.knn_search import (
    METRICS,
    Rows,
    between_cosine,
    check_k,
    make_rows,
    matrix,
    within,
)

MOST_FOUND = 2**40  # pairs of a radius search: memory ends before


class KnnIndex:
    """Rows that are searched again and again: `tamis.knn` without its preparations.

    Parameters
    ----------
    x : (N, D) array
        float16, bfloat16, float32 or float64 rows on the host; NumPy (also `np.memmap`), PyTorch or
        anything with DLPack or the buffer protocol. float16 and bfloat16 become float32.
    metric : {"euclidean", "sqeuclidean", "cosine", "inner_product"}
        As in `tamis.knn`.
    copy : bool
        Default True: the index keeps a copy, and later changes of `x` do not touch it. False: it
        reads `x` where it lies if it is C-contiguous and float32 or float64, and `x` must not
        change.
    progress : bool or callable, optional
        ``f(done, total)``, or True for a bar: of the two steps, checking and preparing.

    Attributes
    ----------
    metric : str
    shape : tuple of int
        (N, D); ``len(index)`` is N.
    dtype : numpy.dtype
        Of the rows, float32 or float64; queries must have it (float16 becomes float32).
    nbytes : int
        Of all that it holds, its rows included.

    Raises
    ------
    ValueError, TypeError
        For shapes, dtypes or `metric` that do not fit, and for NaN or infinity, naming the first
        such row.
    tamis.CudaUnavailable
        For rows or queries on a device, which `tamis.knn` searches.

    Notes
    -----
    Results are bit-identical to `tamis.knn`, for any number of threads and on any CPU. Any number
    of threads may search an index at once. It cannot be pickled: save it, and load the file in
    each process, where they share its memory.

    Building costs about ``N * D * (log2(N) + 20)`` operations. Memory: the rows and at most
    ``N * (1.1 * D + 300)`` bytes: at 512 dimensions 1.3 to 1.45 times float32 rows in all.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> index = tamis.KnnIndex(np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]], np.float32))
    >>> distances, indices = index.search(np.array([[4.0, 0.0]], np.float32), 2)
    >>> indices
    array([[2, 1]])
    >>> index.within(np.array([[0.5, 0.0]], np.float32), 1.0)[1]
    array([0, 1])
    """

    def __init__(
        self,
        x: AnyArray,
        *,
        metric: Metric = "euclidean",
        copy: bool = True,
        progress: Progress = None,
    ) -> None:
        if not arrays.one_of(metric, METRICS):
            raise ValueError(
                f"KnnIndex: metric must be one of {', '.join(METRICS)}, got {metric!r}"
            )
        copy = arrays.check_flag("KnnIndex", "copy", copy)
        report = reporter(progress, "KnnIndex")
        x = arrays.as_array("KnnIndex", "x", x)
        rows = matrix("KnnIndex", "x", x)
        if copy and arrays.dtype_name(x) == str(rows.dtype):  # else it was copied already
            rows = np.array(rows, order="C", copy=True, subok=False)
        prepared = make_rows("KnnIndex", "x", rows, cosine=metric == "cosine")
        report(1, 2)
        self._set(prepared, metric, arrays.library(x))
        report(2, 2)

    def _set(
        self,
        rows: Rows,
        metric: Metric,
        library: str,
        stored: knn_index_file.Stored | None = None,
        soon: bool = False,
    ) -> None:
        self._rows, self._metric, self._library = rows, metric, library
        self._kept, self._plan = share_index(rows, metric == "inner_product", stored, soon)

    @property
    def metric(self) -> Metric:
        return self._metric

    @property
    def shape(self) -> tuple[int, int]:
        n, d = self._rows.x.shape
        return n, d

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._rows.x.dtype

    @property
    def nbytes(self) -> int:
        all_rows = [self._rows] if self._kept is self._rows else [self._rows, self._kept]
        total = 0 if self._kept.index is None else self._kept.index.nbytes
        for rows in all_rows:
            total += rows.x.nbytes + (0 if rows.scale is None else rows.scale.nbytes)
        return total

    def __len__(self) -> int:
        return len(self._rows.x)

    def __repr__(self) -> str:
        n, d = self.shape
        return (
            f"KnnIndex({n:,} x {d} {self.dtype}, metric={self._metric!r},"
            f" {self.nbytes / 2**20:.1f} MiB)"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "KnnIndex cannot be pickled: index.save(path), and KnnIndex.load(path) in each process"
        )

    def search(self, queries: AnyArray, k: int, *, progress: Progress = None) -> tuple[Any, Any]:
        """The `k` nearest rows of the index for each query: ``tamis.knn(x, k, queries=queries)``.

        Parameters
        ----------
        queries : (M, D) array
            Of the dtype of the index; its results come in the library of this array.
        k : int
            1 to 1024, and at most N.
        progress : bool or callable, optional
            ``f(done, total)``, or True for a bar.

        Returns
        -------
        distances : (M, k) array
            Ascending (inner products descending), of the dtype of the index.
        indices : (M, k) int64 array
            Equal distances (as float64 sees them) go to the lower index first.

        Raises
        ------
        ValueError, TypeError
            As for `tamis.knn`.

        Examples
        --------
        >>> import numpy as np, tamis
        >>> index = tamis.KnnIndex(np.eye(3, dtype=np.float32), metric="inner_product")
        >>> index.search(np.array([[1.0, 2.0, 3.0]], np.float32), 2)[0]
        array([[3., 2.]], dtype=float32)
        """
        name = "KnnIndex.search"
        check_k(name, k)
        asked = self._asked(name, queries)
        if k > len(self) and len(asked.x) > 0:
            raise ValueError(f"{name}: k must be at most {len(self)} for {len(self)} rows, got {k}")
        return self._nearest(name, asked, k, arrays.library(queries), progress)

    def self_search(self, k: int, *, progress: Progress = None) -> tuple[Any, Any]:
        """The `k` nearest other rows of each row: ``tamis.knn(x, k)``.

        Parameters
        ----------
        k : int
            1 to 1024, and at most N - 1.
        progress : bool or callable, optional
            ``f(done, total)``, or True for a bar.

        Returns
        -------
        distances : (N, k) array
            In the library of the rows that the index was made of; NumPy after loading.
        indices : (N, k) int64 array

        Raises
        ------
        ValueError, TypeError
            As for `tamis.knn`.

        Examples
        --------
        >>> import numpy as np, tamis
        >>> tamis.KnnIndex(np.array([[0.0], [1.0], [5.0]])).self_search(1)[1].ravel()
        array([1, 0, 1])
        """
        name = "KnnIndex.self_search"
        check_k(name, k)
        if k > len(self) - 1 and len(self) > 0:
            most = len(self) - 1
            raise ValueError(f"{name}: k must be at most {most} for {len(self)} rows, got {k}")
        return self._nearest(name, None, k, self._library, progress)

    def within(
        self, queries: AnyArray, radius: float, *, progress: Progress = None
    ) -> tuple[Any, Any, Any]:
        """All rows of the index within a distance of each query.

        Parameters
        ----------
        queries : (M, D) array
            Of the dtype of the index; its results come in the library of this array.
        radius : float
            Largest distance, included; for inner products the smallest product.
        progress : bool or callable, optional
            ``f(done, total)``, or True for a bar.

        Returns
        -------
        distances : (P,) array
            Those of the first query, then those of the second, and so on; for each ascending
            (inner products descending), ties by index. They are compared with `radius` as float64.
        indices : (P,) int64 array
        splits : (M + 1,) int64 array
            The rows of query `i` are ``splits[i]`` to ``splits[i + 1]``.

        Raises
        ------
        ValueError, TypeError
            As for `search`, and for a radius that is negative (but for inner products), NaN or no
            number.

        Notes
        -----
        Memory: 80 bytes for each row found.

        Examples
        --------
        >>> import numpy as np, tamis
        >>> index = tamis.KnnIndex(np.array([[0.0], [1.0], [5.0]]))
        >>> distances, indices, splits = index.within(np.array([[1.0], [6.0]]), 1.0)
        >>> indices, splits
        (array([1, 0, 2]), array([0, 2, 3]))
        """
        name = "KnnIndex.within"
        radius = check_radius(name, radius, self._metric)
        asked = self._asked(name, queries)
        pairs, keys = self._pairs(name, asked, radius, progress)
        order = np.lexsort((pairs[:, 1], keys, pairs[:, 0]))
        pairs, far = pairs[order], output_of(name, keys[order], self._metric, self.dtype)
        splits = np.searchsorted(pairs[:, 0], np.arange(len(asked.x) + 1))
        found = far, np.ascontiguousarray(pairs[:, 1]), splits.astype(np.int64, copy=False)
        return _give(arrays.library(queries), *found)

    def save(self, path: output.Path) -> None:
        """Write the index to a file, which appears when it is complete.

        Parameters
        ----------
        path : path
            Replaced if it exists.

        Raises
        ------
        OSError, ValueError
            Where the file cannot be written.

        Examples
        --------
        >>> import numpy as np, pathlib, tamis, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "rows.knn"
        >>> tamis.KnnIndex(np.eye(4)).save(path)
        >>> tamis.KnnIndex.load(path)
        KnnIndex(4 x 4 float64, metric='euclidean', 0.0 MiB)
        """
        knn_index_file.save(path, self._rows, self._kept, self._plan, self._metric)

    @classmethod
    def load(cls, path: output.Path, *, x: Any = None, verify: bool = True) -> KnnIndex:
        """The index of a file, whose rows and codes stay there: several processes share them.

        Parameters
        ----------
        path : path
            Of `save`. While the index is in use the file must not be changed or cut; `save`
            replaces it as a whole, which does no harm.
        x : (N, D) array, optional
            The rows that it must be of.
        verify : bool
            Default True: every byte is compared with its checksum, which reads the file once.
            False: all but rows and codes, so that opening is immediate.

        Returns
        -------
        KnnIndex

        Raises
        ------
        OSError
            Where there is no such file.
        ValueError
            For a file that is not an index, or one of another version of the format, damaged, cut,
            or not of the rows `x`.

        Notes
        -----
        On a processor with other instructions for codes, they are made anew: the time and memory of
        building an index. `save` has an example.
        """
        verify = arrays.check_flag("KnnIndex.load", "verify", verify)
        stored = knn_index_file.load(path, verify=verify)
        if x is not None:
            knn_index_file.check_same(path, stored.rows.x, matrix("KnnIndex.load", "x", x))
        index = cls.__new__(cls)
        try:
            index._set(stored.rows, stored.metric, "numpy", stored)
        except ValueError as error:
            raise knn_index_file.damaged(path, str(error)) from None
        return index

    def _asked(self, function: str, queries: Any) -> Rows:
        """Checked queries."""
        asked = matrix(function, "queries", queries)
        if asked.shape[1] != self.shape[1]:
            raise ValueError(
                f"{function}: queries must have shape (M, {self.shape[1]}), got {asked.shape}"
            )
        if asked.dtype != self.dtype:
            raise TypeError(
                f"{function}: queries must be {self.dtype} as the index is, got {asked.dtype}"
            )
        return make_rows(function, "queries", asked, cosine=self._metric == "cosine")

    def _nearest(
        self, function: str, asked: Rows | None, k: int, library: str, progress: Progress
    ) -> tuple[Any, Any]:
        keys, indices = nearest_by(
            self._metric, self._rows, asked, k, progress=progress, title=function
        )
        far, near = _give(library, output_of(function, keys, self._metric, self.dtype), indices)
        return far, near

    def _pairs(
        self, function: str, asked: Rows, radius: float, progress: Progress
    ) -> tuple[Array, Array]:
        """(pairs of a query and a row, keys) within the radius."""
        how: dict[str, Any] = {"progress": progress, "title": function}
        if self._metric == "cosine":
            return between_cosine(self._rows, asked, radius, most_pairs=MOST_FOUND, **how)
        if self._metric == "inner_product":
            return within(self._rows, asked, -radius, dots=True, **how)
        if self._metric == "sqeuclidean":
            return within(self._rows, asked, radius, **how)
        wide = min(radius, 1e153)  # its square is finite, and no distance is larger
        pairs, keys = within(self._rows, asked, wide * wide * (1 + 1e-15), **how)
        near = np.sqrt(keys) <= radius
        return pairs[near], keys[near]


def index_soon(function: str, x: Array, metric: Metric) -> KnnIndex:
    """An index that refers to host rows and is ready sooner, for some searches by few queries."""
    index = KnnIndex.__new__(KnnIndex)
    rows = make_rows(function, "x", x, cosine=metric == "cosine")
    index._set(rows, metric, "numpy", soon=True)
    return index


def _give(library: str, *found: Array) -> tuple[Any, ...]:
    """The arrays in a library."""
    if library != "torch":
        return found
    import torch

    return tuple(torch.from_numpy(part) for part in found)
