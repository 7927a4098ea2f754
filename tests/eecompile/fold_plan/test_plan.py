"""A plan: estimates, advice and refusals."""

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from eecompile.fold_plan import PlanSettings, plan_folding, plan_text
from eecompile.fold_plan.roofline import roofline_of
from eecompile.zoo.folded_cnn import game_cnn
from eengines.errors import IngestError, UserError
from eengines.targets import TARGETS

SHAPE = (3, 15, 35)


def plan_of(network: nn.Module, shape: tuple[int, ...] = SHAPE, **fields: object):
    return plan_folding(network, shape, PlanSettings(**fields), where="net")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return game_cnn("lol/timer-minutes")


def device(tera_ops: float, gigabytes: float) -> dict[str, object]:
    return {"peak_tera_ops": tera_ops, "memory_gigabytes": gigabytes, "precision": "float16"}


def test_where_memory_is_the_limit_folding_saves_its_root(network):
    plan = plan_of(network, fold=(4,), fold_widths="exact", **device(1e6, 1.0))
    before, folded = plan.variants
    assert before.waiting_layers == len(plan.layers) == 6
    assert before.waiting_time == pytest.approx(1.0)
    assert folded.speed == pytest.approx(folded.intensity / before.intensity / (1 + folded.more_flops))
    assert 1.7 < folded.speed < 2.0
    assert plan.advice.fold == 4
    assert "6 of 6 layers, 100% of the estimated time, are below the ridge" in plan.advice.reasons[0]


def test_where_arithmetic_is_the_limit_folding_saves_nothing(network):
    plan = plan_of(network, fold=(2, 4), **device(1.0, 1e6))
    assert all(layer.above_ridge for layer in plan.layers)
    for folded in plan.variants[1:]:
        assert folded.speed == pytest.approx(1 / (1 + folded.more_flops))
    assert plan.advice.fold == 1
    assert plan.advice.reasons[0].startswith("Every layer is above the ridge (0 operations a byte): folding adds ")
    assert plan.advice.reasons[0].endswith(" operations or more, and saves nothing.")


def test_a_gain_below_5_percent_is_not_worth_a_training(network):
    plan = plan_of(network, fold=(2,), **device(3.0, 100.0))
    assert any(not layer.above_ridge for layer in plan.layers)
    assert plan.variants[1].speed < 1.05
    assert plan.advice.fold == 1
    assert plan.advice.reasons[0].endswith("all in all folding gains less than 5%.")


def test_the_smallest_factor_near_the_fastest_is_advised(network):
    plan = plan_of(network, target="t4")
    speeds = {variant.fold: variant.speed for variant in plan.variants}
    near = [fold for fold, speed in speeds.items() if speed * 1.05 >= max(speeds.values())]
    assert plan.advice.fold == min(near) > 1


def test_rows_that_are_not_full_cost_like_full_ones(network):
    plan = plan_of(network, fold=(4, 8), batch=5, target="t4")
    assert "5 images at once do not fill the rows of 4, 8 images: 3, 3 more are" in " ".join(plan.advice.reasons)
    alone = plan_of(network, fold=(4,), batch=1, target="t4")
    assert alone.variants[1].speed < 0.6
    assert alone.advice.fold == 1
    full = plan_of(network, fold=(4,), batch=8, target="t4")
    assert not any("do not fill" in reason for reason in full.advice.reasons)


def test_many_classes_grow_the_last_layer():
    plan = plan_of(nn.Sequential(nn.Flatten(), nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 2000)), (3, 2, 2), fold=(4,))
    (reason,) = [reason for reason in plan.advice.reasons if "more operations" in reason]
    assert "most of them in 3 (1.99x): it answers for all 4 images." in reason


def test_the_first_layer_reads_all_images(network):
    plan = plan_of(network, fold=(4,), target="t4")
    assert "most of them in features.0 (1.9" in " ".join(plan.advice.reasons)
    assert "it reads all 4 images." in " ".join(plan.advice.reasons)


def test_exact_widths_have_a_warning(network):
    exact, rounded = (
        plan_of(network, fold=(2, 4), fold_widths=widths, target="t4") for widths in ("exact", "multiple-of-8")
    )
    assert any(reason.startswith("Folded by 2 exact widths") for reason in exact.advice.reasons)
    assert not any("exact widths" in reason for reason in rounded.advice.reasons)
    assert exact.variants[1].flops < rounded.variants[1].flops
    assert exact.variants[2].flops == rounded.variants[2].flops


def test_layers_are_those_of_one_image_and_variants_add_up(network):
    plan = plan_of(network, fold=(3,), target="v100")
    assert plan.variants[0].flops == sum(layer.flops for layer in plan.layers)
    assert plan.variants[0].weights == sum(weight.numel() for weight in network.parameters())
    assert plan.counted == 1.0
    for variant in plan.variants:
        assert variant.flops == sum(layer.flops for layer in variant.layers) / variant.fold
        assert variant.layers[-1].output == (62 * variant.fold,)


class Early(nn.Module):
    """An exit behind each of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.early, self.late = nn.Linear(16, 4), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(x)
        return self.early(x.mean((2, 3))), self.late(self.second(x).mean((2, 3)))


def test_what_folding_takes_from_exits_is_told():
    memory, arithmetic = (plan_of(Early(), (3, 8, 8), fold=(4,), **device(*it)) for it in ((1e6, 1.0), (1e-3, 1e6)))
    assert (memory.exits, memory.advice.fold, arithmetic.advice.fold) == (2, 4, 1)
    assert "where 50% of the images pass one, 6.25% of the groups of 4 leave there" in memory.advice.reasons[-1]
    assert arithmetic.advice.reasons[-1].startswith("Exits are one reason more")
    text = plan_text(memory)
    assert "Exits are not in this estimate: all 2 are counted, and nobody leaves early." in text
    assert "p^f of the groups leave" in text


def test_a_network_of_one_exit_has_no_word_on_exits(network):
    plan = plan_of(network, fold=(4,), target="t4")
    assert plan.exits == 1
    assert "xit" not in plan_text(plan)


class Attended(nn.Module):
    """Multiplies two features inside `forward`, which is no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        flat = self.conv(x).flatten(2)
        return self.head((torch.softmax(flat @ flat.transpose(1, 2), 2) @ flat).mean(2))


def test_products_that_are_no_layers_are_told():
    plan = plan_of(Attended(), (3, 6, 6), fold=(4,), target="t4")
    assert 0.5 < plan.counted < 0.95


def test_the_ridge_of_a_card_is_that_of_its_data_sheet():
    assert roofline_of(PlanSettings(target="t4")).ridge == pytest.approx(203, abs=0.5)
    assert roofline_of(PlanSettings(target="v100")).ridge == pytest.approx(139, abs=0.5)
    assert 25 < roofline_of(PlanSettings(target="p100")).ridge < 30


def test_figures_of_the_user_go_first():
    found = roofline_of(PlanSettings(target="t4", peak_tera_ops=2, memory_gigabytes=20))
    assert (found.ridge, found.source) == (100, "as given")
    assert roofline_of(PlanSettings(precision="bfloat16", peak_tera_ops=2, memory_gigabytes=20)).ridge == 100


def test_float16_on_cards_and_float32_here_by_default():
    assert PlanSettings(target="t4").value_type == "float16"
    assert PlanSettings().value_type == "float32"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fold": ()}, "--fold: got nothing"),
        ({"fold": (1, 2)}, "--fold: is 1, expected 2 to 64 images a row"),
        ({"fold": (2, 1000)}, "--fold: is 1000, expected 2 to 64 images a row"),
        ({"fold_widths": "odd"}, "--fold-widths: is 'odd', expected multiple-of-8 or exact"),
        ({"fold": (2, 2)}, "--fold: got 2,2"),
        ({"batch": 0}, "--batch: got 0"),
        ({"precision": "float8"}, "--precision: got 'float8', known are auto, float32"),
        ({"target": "p40"}, r"--target: got 'p40', known are cpu, p100, .*Choose one of these"),
        ({"peak_tera_ops": 1.0}, "got one of the two"),
        ({"peak_tera_ops": 0.0, "memory_gigabytes": 1.0}, "expected numbers above 0"),
    ],
)
def test_settings_that_do_not_fit(fields, message):
    with pytest.raises(UserError, match=message):
        PlanSettings(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target": "p100", "precision": "bfloat16"}, "--target p100: got bfloat16, it computes in float32, float16"),
        ({"target": "v100", "precision": "int8"}, "how fast it is in int8 is not known here. Give --peak-tera-ops"),
        ({"precision": "int8"}, "--target cpu: got int8, and this machine is measured in float32 alone"),
    ],
)
def test_what_is_not_known_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        roofline_of(PlanSettings(**fields))


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ({}, (3, 8, 8), "net"),
    ],
)
def test_what_cannot_be_folded_is_refused(network, fields, shape, message):
    with pytest.raises(IngestError, match=message):
        plan_of(network, shape, target="t4", **fields)


def test_every_gpu_has_a_plan():
    for name in set(TARGETS) - {"cpu"}:
        assert roofline_of(dataclasses.replace(PlanSettings(), target=name)).ridge > 20
