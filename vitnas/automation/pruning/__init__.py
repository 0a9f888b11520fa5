"""From one trained network to faster ones: its whole front without training, or rounds of removing and tuning."""
