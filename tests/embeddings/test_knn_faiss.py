"""tamis.knn through faiss indices, their recall against the exact answer."""

import numpy as np
import pytest
import tamis
from test_knn import METRICS, rows


@pytest.fixture
def faiss():
    return pytest.importorskip("faiss")


class TestFaiss:
    @pytest.fixture(autouse=True)
    def peer(self):
        self.faiss = pytest.importorskip("faiss")

    @pytest.mark.parametrize("metric", METRICS)
    def test_flat_has_full_recall(self, metric):
        x = rows(500, 24)
        distances, indices, recall = tamis.knn(
            x, 5, metric=metric, method="Flat", recall_sample=100
        )
        assert recall > 0.97 and indices.shape == (500, 5)
        wanted = tamis.knn(x, 5, metric=metric)[0]
        np.testing.assert_allclose(distances, wanted, rtol=1e-3, atol=2e-3)

    def test_hnsw_and_a_filled_index(self):
        x = rows(800, 24)
        assert tamis.knn(x, 5, method="HNSW16", recall_sample=50)[2] > 0.8
        index = self.faiss.IndexFlatL2(24)
        index.add(x)
        found = tamis.knn(x, 5, queries=x[:10] + 1, method=index)[1]
        assert (found == tamis.knn(x, 5, queries=x[:10] + 1)[1]).mean() > 0.95

    def test_factory_string_that_is_none(self):
        with pytest.raises(ValueError, match=r"knn: method must be 'exact' or .*, got 'Bogus'"):
            tamis.knn(rows(30, 8), 2, method="Bogus")

    def test_values_that_it_cannot_hold(self):
        x = rows(30, 8, dtype="float64")
        x[4, 2] = np.nan
        with pytest.raises(ValueError, match=r"knn: queries must be finite.*row 4"):
            tamis.knn(rows(30, 8, dtype="float64"), 2, queries=x, method="Flat")
        x[4, 2] = 1e30
        with pytest.raises(ValueError, match=r"knn: x must have norms of at most 1e\+18 for"):
            tamis.knn(x, 2, method="Flat")

    def test_index_that_does_not_fit(self):
        with pytest.raises(ValueError, match="knn: method must be an index of 8 dimensions, got 9"):
            tamis.knn(rows(30, 8), 2, method=self.faiss.IndexFlatL2(9))
        with pytest.raises(ValueError, match="knn: method must be an index for metric 'cosine'"):
            tamis.knn(rows(30, 8), 2, metric="cosine", method=self.faiss.IndexFlatL2(8))


@pytest.mark.usefixtures("faiss")
class TestWhatFaissDoesNotFind:
    def test_is_infinitely_far(self):
        x = np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)
        for metric in ("euclidean", "sqeuclidean", "cosine", "inner_product"):
            for how in ({}, {"queries": x[:50]}, {"exclude_self": False}):
                distances, indices = tamis.knn(x, 30, metric=metric, method="IVF256,Flat", **how)
                missing = indices < 0
                assert missing.any() and not missing.all()
                far = -np.inf if metric == "inner_product" else np.inf
                assert (distances[missing] == far).all() and np.isfinite(distances[~missing]).all()
                assert (indices[missing] == -1).all()


class TestErrorsOfFaiss:
    x = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)

    @pytest.mark.usefixtures("faiss")
    def test_more_lists_than_rows(self):
        with pytest.raises(ValueError, match="knn: method must be an index that takes these rows"):
            tamis.knn(self.x, 2, method="IVF256,Flat")

    def test_an_empty_map_of_numbers(self, faiss):
        index = faiss.IndexIDMap(faiss.IndexFlatL2(8))
        with pytest.raises(ValueError, match="knn: method must be an index that takes these rows"):
            tamis.knn(self.x, 2, method=index)

    @pytest.mark.parametrize("kind", ["IndexIDMap", "IndexIDMap2"])
    def test_a_map_of_other_numbers(self, faiss, kind):
        for numbers in (np.arange(40) + 1000, np.arange(40)[::-1].copy()):
            index = getattr(faiss, kind)(faiss.IndexFlatL2(8))
            index.add_with_ids(self.x, numbers.astype(np.int64))
            with pytest.raises(ValueError, match="knn: method must number the rows of x from 0"):
                tamis.knn(self.x, 2, method=index)
        index = getattr(faiss, kind)(faiss.IndexFlatL2(8))
        index.add_with_ids(self.x, np.arange(40))
        found = tamis.knn(self.x, 2, method=index)[1]
        np.testing.assert_array_equal(found, tamis.knn(self.x, 2)[1])
