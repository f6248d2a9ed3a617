"""What an artifact costs, independent of any device: multiply-adds by class, elements moved, operators.

Counted as for the published networks of `devices/latency/networks.csv`, of the graph as an engine runs it:
batch normalization, bias and activation belong to the convolution before them, reshapes cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

COSTS = (
    "pointwise_macs",
    "conv_macs",
    "winograd_macs",
    "depthwise_macs",
    "dense_macs",
    "activation_elements",
    "weight_elements",
    "operators",
)


@dataclass(frozen=True, slots=True)
class Features:
    """Counts for one row. `winograd_macs` (3x3, stride 1, one group) are part of `conv_macs`."""

    pointwise_macs: int
    conv_macs: int
    winograd_macs: int
    depthwise_macs: int
    dense_macs: int
    activation_elements: int
    weight_elements: int
    operators: int

    @property
    def macs(self) -> int:
        """All multiply-adds."""
        return self.pointwise_macs + self.conv_macs + self.depthwise_macs + self.dense_macs

    def costs(self) -> tuple[float, ...]:
        """Disjoint counts in the order of COSTS: conv_macs without those of Winograd's convolutions."""
        return (
            float(self.pointwise_macs),
            float(self.conv_macs - self.winograd_macs),
            float(self.winograd_macs),
            float(self.depthwise_macs),
            float(self.dense_macs),
            float(self.activation_elements),
            float(self.weight_elements),
            float(self.operators),
        )
