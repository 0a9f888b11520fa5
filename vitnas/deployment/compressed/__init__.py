"""Networks whose layers have precisions, as they are deployed: integers where the arch asks for them, and proof of it."""
