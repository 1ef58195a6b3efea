"""lvis-api with the same names: change the import and nothing else.

``from tamis.lvis import LVIS, LVISResults, LVISEval`` gives the answers of lvis 0.5.3 bit for bit.
"""

from tamis.lvis.eval import LVISEval, Params
from tamis.lvis.lvis import LVIS
from tamis.lvis.results import LVISResults

__all__ = ["LVIS", "LVISEval", "LVISResults", "Params"]
