"""Beyond one machine: plans whose tasks run anywhere, and whose merge is that of one process.

>>> plan = tamis.shards.plan_uniqueness(paths, state="run1", parts=13)  # doctest: +SKIP
>>> for task in plan.tasks:  # here, or each on another machine
...     plan.run(task)  # doctest: +SKIP
>>> scores = plan.merge()  # doctest: +SKIP
"""

from tamis.shards.duplicates import DuplicateBoxesPlan, plan_duplicate_boxes
from tamis.shards.evaluation import EvaluationPlan, plan_evaluation
from tamis.shards.neighbours import KnnPlan, UniquenessPlan, plan_knn, plan_uniqueness
from tamis.shards.open_plan import open_plan
from tamis.shards.pairs import LeaksPlan, NearDuplicatesPlan, plan_leaks, plan_near_duplicates
from tamis.shards.plan import Estimate, Plan, Status, Task
from tamis.shards.zcore import ZcorePlan, plan_zcore

__all__ = [
    "DuplicateBoxesPlan",
    "Estimate",
    "EvaluationPlan",
    "KnnPlan",
    "LeaksPlan",
    "NearDuplicatesPlan",
    "Plan",
    "Status",
    "Task",
    "UniquenessPlan",
    "ZcorePlan",
    "open_plan",
    "plan_duplicate_boxes",
    "plan_evaluation",
    "plan_knn",
    "plan_leaks",
    "plan_near_duplicates",
    "plan_uniqueness",
    "plan_zcore",
]
