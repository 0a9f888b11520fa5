"""ConvNorm: a convolution with batch normalisation, the brick that convolutional layers share."""

from __future__ import annotations

from torch import Tensor, nn


class ConvNorm(nn.Module):
    """Normalised convolution of odd kernel, padded so that stride 1 keeps the map's size."""

    def __init__(
        self, channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=bias)
        self.norm = nn.BatchNorm2d(out_channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return y
