"""What every task shares: examples, settings, the model folder, reports, predictions."""
