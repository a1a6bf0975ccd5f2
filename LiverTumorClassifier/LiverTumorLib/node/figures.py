"""Figures for a monitor (Prometheus), and whether the node is well."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

_SECONDS = (5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


class Figures:
    """Counters since the start of the node, and gauges that are asked when they are looked at."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        counters = {
            "received": ("livertumor_objects_received", "DICOM objects acknowledged.", ["ae_title"]),
            "received_bytes": ("livertumor_received_bytes", "Bytes of DICOM objects written to disk.", []),
            "refused": ("livertumor_refused", "Objects and associations refused.", ["why"]),
            "analyzed": ("livertumor_analyzed", "Analyses by how they ended.", ["outcome"]),
            "sent": ("livertumor_results_sent", "Result objects by target and how that ended.", ["target", "outcome"]),
        }
        for name, (metric, text, labels) in counters.items():
            setattr(self, name, Counter(metric, text, labels, registry=self._registry))
        self.seconds = Histogram(
            "livertumor_analysis_seconds", "Time of an analysis.", buckets=_SECONDS, registry=self._registry
        )

    received: Counter
    received_bytes: Counter
    refused: Counter
    analyzed: Counter
    sent: Counter

    def watch(self, gauges: Callable[[], Iterator[tuple[str, str, dict[str, str], float]]]) -> None:
        """Have gauges shown: name, text, labels and value of each."""
        self._registry.register(_Asked(gauges))

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self._registry)


class _Asked:
    def __init__(self, gauges: Callable[[], Iterator[tuple[str, str, dict[str, str], float]]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for name, text, labels, value in self._gauges():
            family = families.setdefault(name, GaugeMetricFamily(name, text, labels=list(labels)))
            family.add_metric(list(labels.values()), value)
        yield from families.values()

    def describe(self) -> list:
        """None beforehand: asking for them would ask the queue."""
        return []
