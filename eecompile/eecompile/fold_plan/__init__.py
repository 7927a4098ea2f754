"""Whether to fold a network: arithmetic intensity of its layers, and what a roofline says of each fold factor."""

from eecompile.fold_plan.plan import FoldPlan, plan_folding
from eecompile.fold_plan.plan_model import plan_model
from eecompile.fold_plan.plan_text import plan_text
from eecompile.fold_plan.settings import PlanSettings

__all__ = ["FoldPlan", "PlanSettings", "plan_folding", "plan_model", "plan_text"]
