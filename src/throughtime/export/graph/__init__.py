"""ONNX graphs: a builder, and recurrent layers of any cell as nodes. Whole models stand on them."""

from throughtime.export.graph.builder import Graph, Size, Value, numbers
from throughtime.export.graph.kernels import OPERATORS
from throughtime.export.graph.layers import State, write_layer, write_layer_step

__all__ = ["OPERATORS", "Graph", "Size", "State", "Value", "numbers", "write_layer", "write_layer_step"]
