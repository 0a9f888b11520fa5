"""The HTML page and the dashboard."""
