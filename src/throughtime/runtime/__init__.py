"""What an exported model needs to run: NumPy and ONNX Runtime alone, no PyTorch."""
