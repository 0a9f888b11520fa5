"""What `robustness.py` does to commands: kills, flipped bits, full disks, links, and a look at their sockets."""
