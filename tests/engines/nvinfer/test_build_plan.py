"""Plans are built for real, with TensorRT for RTX, which needs no GPU for it."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from onnx import TensorProto, helper
from random_networks import NetworkMaker
from required import require_rtx

from eengines.device_engine import PlanOptions
from eengines.errors import EngineError
from eengines.nvinfer.build_plan import PlanBuilder, add_profiles
from eengines.nvinfer.build_progress import BuildProgress
from eengines.nvinfer.differences import known_cards
from eengines.nvinfer.messages import messages
from eengines.nvinfer.parse_graph import parse_graph

trt = require_rtx()

HALF, FLOAT, BFLOAT = TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.BFLOAT16
BUCKETS = PlanOptions(buckets=(1, 4))
PATIENCE_S = 60


def build(graph, card=(8, 0), *, options=BUCKETS, progress=lambda _: None):
    return PlanBuilder(trt=trt, title="TensorRT for RTX", card=card).build(graph, options, progress)


@pytest.mark.parametrize("card", sorted(known_cards(trt)))
@pytest.mark.parametrize(("kind", "rounded"), [(FLOAT, False), (HALF, False), (FLOAT, True), (HALF, True)])
def test_every_card_and_precision(card, kind, rounded, graphs):
    plan = build(graphs.convolutions(kind, rounded=rounded), card)
    assert len(plan.content) > 1000
    rewritten = card == (7, 5) and kind == FLOAT
    assert [note.split(":")[0] for note in plan.notes] == (["fc"] if rewritten else [])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("card", [(7, 5), (12, 0)])
def test_random_networks(seed, card):
    maker = NetworkMaker(seed, exits=2, width=5, with_mask=seed % 2 == 0, with_shape=seed % 3 == 0)
    plan = build(maker.model().SerializeToString(), card)
    assert len(plan.content) > 1000
    assert all("float32 product" in note for note in plan.notes)


def test_more_buckets_share_the_weights(graphs):
    graph = graphs.convolutions(depth=6, width=128)
    weights = 4 * (3 * 128 * 9 + 5 * 128 * 128 * 9)
    one, three = (len(build(graph, options=PlanOptions(buckets=b)).content) for b in ((32,), (1, 8, 32)))
    assert weights < one < three < one + weights


def test_options(graphs):
    generous = PlanOptions(buckets=(2,), workspace_bytes=1 << 30, optimisation_level=1)
    assert len(build(graphs.convolutions(), options=generous).content) > 1000
    narrow = PlanOptions(buckets=(2,), workspace_bytes=1 << 10)
    with pytest.raises(EngineError, match=r"within workspace limit.*Allow more workspace"):
        build(graphs.convolutions(), options=narrow)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (PlanOptions(buckets=(1, 2**31)), r"buckets: got 2147483648, expected at most 2147483647\. Name smaller"),
        (PlanOptions(buckets=(2**80,)), r"buckets: got \d+, expected at most 2147483647\. Name smaller"),
        (PlanOptions(buckets=(1,), workspace_bytes=2**64), r"workspace: got 18446744073709551616 bytes, expected 0 to"),
        (PlanOptions(buckets=(1,), workspace_bytes=-1), r"workspace: got -1 bytes, expected 0 to"),
    ],
)
def test_numbers_that_no_build_takes(options, words, graphs):
    with pytest.raises(EngineError, match=words):
        build(graphs.convolutions(), options=options)


def test_what_the_library_refuses_of_a_batch_is_an_error_of_ours(graphs):
    with pytest.raises(EngineError):
        build(graphs.convolutions(), options=PlanOptions(buckets=(2**31 - 1,)))
    with messages():
        parsed = parse_graph(trt, graphs.convolutions())
        with pytest.raises(EngineError, match="the library refuses a batch of 2147483648"):
            add_profiles(parsed, parsed.builder.create_builder_config(), (2**31,))


def test_float32_is_not_rounded_to_tf32(graphs):
    with messages():
        parsed = parse_graph(trt, graphs.convolutions())
        library_default = parsed.builder.create_builder_config()
        config = PlanBuilder(trt=trt, title="TensorRT for RTX", card=(8, 0))._configure(parsed, BUCKETS)
    assert library_default.get_flag(trt.BuilderFlag.TF32)
    assert not config.get_flag(trt.BuilderFlag.TF32)


@pytest.mark.parametrize("buckets", [(), (0, 1), (4, 1), (2, 2)])
def test_buckets_that_are_none(buckets, graphs):
    with pytest.raises(EngineError, match="expected ascending numbers from 1 on"):
        build(graphs.convolutions(), options=PlanOptions(buckets=buckets))


def test_a_level_that_is_none(graphs):
    with pytest.raises(EngineError, match="got 6, expected 0 to 5"):
        build(graphs.convolutions(), options=PlanOptions(buckets=(1,), optimisation_level=6))


def test_int32_bias_asks_for_the_targets_own_graphs(graphs):
    nodes = [
        helper.make_node("DequantizeLinear", ["b", "s"], ["bias"], "bias_dq"),
        helper.make_node("Add", ["x", "bias"], ["y"], "add"),
    ]
    weights = [("b", np.arange(4, dtype=np.int32)), ("s", np.float32(0.1))]
    graph = graphs.made(nodes, [("x", FLOAT, [4])], [("y", FLOAT, [4])], weights)
    with pytest.raises(EngineError, match=r"node 'bias_dq' \(DequantizeLinear\).*Int32.*Build with --target"):
        build(graph)


@pytest.mark.parametrize(("operator", "domain"), [("NonZero", ""), ("NoSuchOperator", "some.where")])
def test_an_operator_that_is_not_supported_is_named(operator, domain, graphs):
    node = helper.make_node(operator, ["x"], ["y"], "odd", domain=domain)
    graph = graphs.made([node], [("x", FLOAT, [4])], [("y", FLOAT, [4])])
    with pytest.raises(EngineError, match=rf"node 'odd' \({operator}\): TensorRT cannot read it"):
        build(graph)


def test_volumes_on_turing_name_the_node_and_the_type_that_works(graphs):
    def volume(kind):
        weight = np.ones((4, 2, 3, 3, 3)).astype(helper.tensor_dtype_to_np_dtype(kind))
        return graphs.one("Conv", [2, 5, 6, 6], [4, 3, 4, 4], weight, kind=kind)

    with pytest.raises(EngineError, match=r"node 'node'.*FP32 3D convolution.*Build with --fp16"):
        build(volume(FLOAT), (7, 5))
    assert len(build(volume(HALF), (7, 5)).content) > 1000


def test_bfloat16_on_turing(graphs):
    with pytest.raises(EngineError, match=r"HW-specific datatypes: b16.*Build with --fp16"):
        build(graphs.convolutions(BFLOAT), (7, 5))
    assert len(build(graphs.convolutions(BFLOAT), (8, 0)).content) > 1000


@pytest.mark.parametrize("graph", [b"", b"not a graph"])
def test_what_is_no_graph(graph):
    with pytest.raises(EngineError, match="not an ONNX graph"):
        build(graph)


def test_a_fixed_batch_and_a_symbolic_axis_are_refused(graphs):
    for shape in ([2, 4], ["batch", "width"]):
        model = helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "odd",
            [helper.make_tensor_value_info("x", FLOAT, shape)],
            [helper.make_tensor_value_info("y", FLOAT, shape)],
        )
        opsets = [helper.make_opsetid("", 18)]
        graph = helper.make_model(model, opset_imports=opsets, ir_version=10).SerializeToString()
        with pytest.raises(EngineError, match="symbolic batch axis in front and fixed axes behind"):
            build(graph)


def test_progress_rises_from_0_to_1(graphs):
    for card in ((7, 5), (8, 0)):  # the first is built twice
        shares = []
        build(graphs.convolutions(), card, progress=shares.append)
        assert shares[0] == 0
        assert shares[-1] == 1
        assert shares == sorted(shares)
        assert len(set(shares)) > 10


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_progress_raises_ends_the_build(error, graphs):
    threads, shares = threading.active_count(), []

    def stop(share):
        shares.append(share)
        if share > 0:
            raise error("enough")

    with pytest.raises(error, match="enough"):
        build(graphs.convolutions(), progress=stop)
    assert len([share for share in shares if share > 0]) == 1, "it is not called again"
    assert threading.active_count() == threads, "nothing goes on"
    assert len(build(graphs.convolutions()).content) > 1000


class InterruptedProgress(BuildProgress):
    """Sends a real Ctrl-C from the first step that counts, and ends this step only when the build is told to stop."""

    sent = False

    def step(self, name, step):
        goes_on = super().step(name, step)
        if not self.sent and self._share > 0:
            self.sent = True
            os.kill(os.getpid(), signal.SIGINT)
            end = time.monotonic() + PATIENCE_S
            while goes_on and time.monotonic() < end:
                time.sleep(0.001)
                goes_on = super().step(name, step)
        return goes_on


@pytest.fixture
def ctrl_c_is_heard():
    """A shell that starts the tests in the background lets them ignore this signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_ends_the_build(graphs, monkeypatch):
    """A real signal, while the library works."""
    monkeypatch.setattr("eengines.nvinfer.build_plan.BuildProgress", InterruptedProgress)
    threads, shares = threading.active_count(), []
    with pytest.raises(KeyboardInterrupt):
        build(graphs.convolutions(), progress=shares.append)
    assert shares[-1] < 1
    assert threading.active_count() == threads, "nothing goes on"


def test_threads_build_for_different_cards_at_once_and_keep_their_messages_apart(graphs):
    """The library keeps the card in a global: without a lock these fail."""
    outcome = {}

    def work(name, graph, card):
        try:
            outcome[name] = build(graph, card)
        except EngineError as error:
            outcome[name] = error

    jobs = [
        ("good", graphs.convolutions(depth=6, width=32), (8, 0)),
        ("other", graphs.convolutions(depth=6, width=32), (12, 0)),
        ("bfloat", graphs.convolutions(BFLOAT), (7, 5)),
        ("repaired", graphs.convolutions(), (7, 5)),
        ("odd", graphs.one("NonZero", [4], [4]), (8, 0)),
    ]
    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcome["good"].notes == outcome["other"].notes == ()
    assert "b16" in str(outcome["bfloat"])
    assert "NonZero" not in str(outcome["bfloat"])
    assert [note.split(":")[0] for note in outcome["repaired"].notes] == ["fc"]
    assert "node 'node' (NonZero)" in str(outcome["odd"])


def test_names_and_types_of_the_graph_are_those_of_the_network(graphs):
    with messages():
        network = parse_graph(trt, graphs.convolutions(HALF)).network
    assert network.get_input(0).name == "x"
    assert [network.get_output(index).name for index in range(network.num_outputs)] == ["y", "r2"]
    assert network.get_output(0).dtype == trt.DataType.HALF
