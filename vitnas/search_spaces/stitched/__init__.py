"""The space of two given networks, between whose blocks tokens may cross over."""
