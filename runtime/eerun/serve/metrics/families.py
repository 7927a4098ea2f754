"""Every metric of a model: its name, kind, labels and meaning. Triton's names and units where Triton has the figure."""

from typing import NamedTuple

__all__ = ["COUNTER", "FAMILIES", "GAUGE", "HISTOGRAM", "Family"]

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
MODEL = ("model", "version")


class Family(NamedTuple):
    """One metric.

    Attributes:
        name: as it stands on the page.
        kind: `COUNTER`, `GAUGE` or `HISTOGRAM`.
        words: what it means, with its unit.
        labels: names of its labels.
    """

    name: str
    kind: str
    words: str
    labels: tuple[str, ...] = MODEL


EXIT, SEGMENT, STEP = (*MODEL, "exit"), (*MODEL, "segment"), (*MODEL, "step")

TRITON = (
    Family("nv_inference_request_success", COUNTER, "Requests that were answered."),
    Family(
        "nv_inference_request_failure",
        COUNTER,
        "Requests that were not answered, by reason: REJECTED, CANCELED, BACKEND or OTHER.",
        (*MODEL, "reason"),
    ),
    Family("nv_inference_count", COUNTER, "Samples that were answered."),
    Family("nv_inference_exec_count", COUNTER, "Batches: runs of the first segment."),
    Family("nv_inference_pending_request_count", GAUGE, "Requests that wait for their first segment."),
    Family("nv_inference_request_duration_us", COUNTER, "Time of answered requests in the model, in microseconds."),
    Family(
        "nv_inference_queue_duration_us", COUNTER, "Time that they waited for their first segment, in microseconds."
    ),
    Family(
        "nv_inference_compute_infer_duration_us",
        COUNTER,
        "Time from their first segment to their last answer, in microseconds.",
    ),
)

CHAIN = (
    Family("ee_request_duration_us", HISTOGRAM, "Time of an answered request in the model, in microseconds."),
    Family("ee_exit_count", COUNTER, "Samples that were answered at each exit.", EXIT),
    Family("ee_forced_exit_count", COUNTER, "Samples that left because their request's max_exit said so."),
    Family("ee_exit_confidence", HISTOGRAM, "Score at which samples left at each exit.", EXIT),
    Family("ee_threshold", GAUGE, "Score from which a sample leaves, as loaded; +Inf: nobody leaves.", EXIT),
    Family("ee_segment_exec_count", COUNTER, "Runs of each segment.", SEGMENT),
    Family("ee_segment_batch_size", HISTOGRAM, "Rows that a segment ran on, those that were dead among them.", SEGMENT),
    Family("ee_segment_alive_count", COUNTER, "Rows that a segment ran on and that were alive.", SEGMENT),
    Family("ee_segment_compute_duration_us", COUNTER, "Time of each segment in the engine, in microseconds.", SEGMENT),
    Family(
        "ee_boundary_duration_us",
        COUNTER,
        "Time behind each segment for decision, answers and compaction, in microseconds.",
        SEGMENT,
    ),
    Family("ee_queue_samples", GAUGE, "Samples that wait for their first segment."),
    Family("ee_inside_rows", GAUGE, "Rows that wait between segments."),
    Family("ee_hold_count", COUNTER, "Runs of a segment while rows waited at a deeper one, for them to be merged."),
    Family("ee_overload_step", GAUGE, "Certified thresholds in use: 0 as loaded, n the nth fallback."),
    Family("ee_overload_step_change_count", COUNTER, "How often ee_overload_step changed."),
    Family("ee_step_sample_count", COUNTER, "Samples of answered requests by the step that they ran at.", STEP),
)

WATCHED = (
    Family("ee_shadow_total", COUNTER, "Samples that left early and also ran to the final exit, to be compared."),
    Family("ee_shadow_disagreement_total", COUNTER, "Those of them that the final exit answers otherwise."),
    Family("ee_shadow_alarm_total", COUNTER, "Alarms: too many other answers; each is one step to slower thresholds."),
    Family("ee_risk_upper_bound", GAUGE, "Greatest share of other answers that the watched samples leave possible."),
    Family("ee_risk_limit", GAUGE, "Share of other answers that is tested against; none when exits are off."),
    Family("ee_fallback_active", GAUGE, "1: an alarm has taken the thresholds that were loaded out of use."),
    Family("ee_fallback_step", GAUGE, "Fallback in use after alarms; 0: as loaded."),
)

BUNDLE = (
    Family(
        "ee_bundle_info",
        GAUGE,
        "1, with the engine, the precision and the manifest's sha256 of the version that serves.",
        (*MODEL, "engine", "precision", "sha256"),
    ),
    Family("ee_reload_count", COUNTER, "Bundles that replaced the one before while the server ran.", ("model",)),
    Family(
        "ee_reload_failure_count",
        COUNTER,
        "Bundles that were not taken because they did not verify or did not answer.",
        ("model",),
    ),
)

FAMILIES = (*TRITON, *CHAIN, *WATCHED, *BUNDLE)
