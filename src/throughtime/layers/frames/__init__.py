"""Layers over frames: sequences of pictures."""

from throughtime.layers.frames.conv_lstm import ConvLSTM

__all__ = ["ConvLSTM"]
