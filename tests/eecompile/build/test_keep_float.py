"""Names of nodes and exits that stay in float."""

import pytest

from eecompile.build.keep_float import head_nodes, named_nodes
from eengines.errors import UserError

EXITS = ("early", "middle", "final")


@pytest.fixture(scope="module")
def split(built):
    return built.prepared.split


def test_a_node_by_name(split):
    assert named_nodes(split, EXITS, ["n_deep_1"]) == {"n_deep_1"}
    assert named_nodes(split, EXITS, []) == frozenset()


@pytest.mark.parametrize(("index", "name"), [(0, "early"), (1, "middle")])
def test_an_exit_stands_for_its_whole_head_and_nothing_of_the_trunk(split, index, name):
    found = named_nodes(split, EXITS, [name])
    assert {f"n_project_{index}", f"n_head_{index}", f"n_exit_{index}"} <= found
    assert not found & {"n_stage_0", "n_stage_1", "n_deep_1", "n_sum_1", "n_stage_2"}
    assert not any(
        f"_{other}" in node and node.startswith("n_exit") for other in range(3) if other != index for node in found
    )


def test_the_last_head_is_the_whole_last_segment(split):
    last = split.segments[-1]
    assert head_nodes(last, split.crossing) == {node.name for node in last.model.graph}


def test_names_add_up(split):
    both = named_nodes(split, EXITS, ["early", "n_stage_2"])
    assert both == named_nodes(split, EXITS, ["early"]) | {"n_stage_2"}


@pytest.mark.parametrize("name", ["n_nothing", "", "EARLY"])
def test_an_unknown_name_names_the_exits_and_where_to_look(split, name):
    with pytest.raises(UserError, match="neither a node nor one of the exits early, middle, final") as caught:
        named_nodes(split, EXITS, ["early", name])
    assert caught.value.where == "--keep-float"
    assert repr(name) in caught.value.problem
    assert "eecompile inspect SEGMENT.onnx" in caught.value.remedy
