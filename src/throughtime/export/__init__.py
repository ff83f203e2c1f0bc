"""What a trained model can leave as: ONNX graphs, written from a cell's own equations."""

from throughtime.export.writing import onnx

__all__ = ["onnx"]
