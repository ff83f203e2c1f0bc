"""What is measured: training, streaming, and what needs processes of its own."""
