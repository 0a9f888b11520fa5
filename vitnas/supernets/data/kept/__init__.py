"""What was decoded, kept so that it is not decoded again."""
