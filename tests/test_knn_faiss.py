"""tamis.knn through faiss indices, their recall against the exact answer."""

import numpy as np
import pytest
import tamis
from test_knn import METRICS, rows


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
