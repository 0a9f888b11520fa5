"""What gives an arch its score."""
