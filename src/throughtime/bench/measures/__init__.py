"""What is measured: training, streaming, drawing, and what needs processes of its own."""
