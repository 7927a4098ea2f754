"""A refresh takes certificates away where graphs or thresholds change, and says so."""

from dataclasses import replace

import pytest

from eecompile.refresh.write_refresh import Replacement, lost_certificates
from eerun.bundle import Certificate, Fallback, amend_bundle, graphs_of, policy_digest


def certify_all(deployed) -> None:
    """Give every configuration a certificate and a fallback."""
    bundle, files = deployed.bundle, {}
    for entry in bundle.manifest.configurations:
        policy = bundle.policy(entry)
        fallback = Fallback(thresholds=(None,) * len(policy.thresholds), bound=0.01, disagreement=0.01)
        policy = replace(policy, fallbacks=(fallback,))
        certificate = Certificate(
            risk="accuracy drop",
            limit=0.02,
            confidence=0.9,
            method="betting",
            samples=500,
            bound=0.01,
            disagreement=0.02,
            split_sha256="0" * 64,
            graphs_sha256=graphs_of(bundle.manifest, entry),
            policy_sha256=policy_digest(policy),
            engine=entry.engine,
            engine_version="1",
            precision=entry.precision,
            processor="a processor",
        )
        files[entry.policy] = replace(policy, certificate=certificate)
    amend_bundle(deployed.path, lambda manifest: manifest.configurations, files)


@pytest.fixture
def certified(copied):
    certify_all(copied)
    return copied


def replacement(refreshed, certified, **changes) -> Replacement:
    source = replace(refreshed.replacement.source, path=certified.model)
    return replace(refreshed.replacement, bundle=certified.bundle, source=source, output=certified.model, **changes)


def test_new_graphs_take_it_away_also_where_thresholds_stay(refreshed, certified):
    retuned = refreshed.replacement.retuned
    same = tuple(replace(way, thresholds=way.thresholds_before) for way in retuned.configurations)
    new = replacement(refreshed, certified, retuned=replace(retuned, configurations=same))
    lost = lost_certificates(new)
    assert [word.split(":")[0] for word in lost] == [f"certificate of {name}" for name in retuned.order]
    refreshed.write_to(certified, retuned=new.retuned, bundle=certified.bundle)
    bundle = certified.bundle
    before = {
        entry.name: refreshed.before.bundle.policy(entry) for entry in refreshed.before.bundle.manifest.configurations
    }
    for entry in bundle.manifest.configurations:
        policy = bundle.policy(entry)
        assert (policy.certificate, policy.fallbacks) == (None, ())
        assert policy.thresholds == before[entry.name].thresholds


def test_without_new_graphs_only_new_thresholds_take_it_away(refreshed, certified):
    retuned = refreshed.replacement.retuned
    first, *others = retuned.configurations
    moved = replace(first, thresholds_before=(0.5, 0.5), thresholds=(0.6, 0.6))
    same = tuple(replace(way, thresholds=way.thresholds_before) for way in others)
    graphs = replace(refreshed.replacement.graphs, files={})
    new = replacement(refreshed, certified, graphs=graphs, retuned=replace(retuned, configurations=(moved, *same)))
    assert [word.split(":")[0] for word in lost_certificates(new)] == [f"certificate of {first.name}"]


def test_what_was_lost_is_in_the_report(refreshed, certified, silent):
    report = certified.refresh(silent, epochs=4)
    assert report.written
    names = [entry.name for entry in certified.bundle.manifest.configurations]
    assert {word.split(":")[0] for word in report.dropped} >= {f"certificate of {name}" for name in names}
    assert all(certified.bundle.policy(entry).certificate is None for entry in certified.bundle.manifest.configurations)


def test_a_bundle_without_certificates_loses_none(refreshed, copied):
    assert lost_certificates(replacement(refreshed, copied)) == ()
