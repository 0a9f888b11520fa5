"""Token mixers on maps, one file each; their names stand in the table of layer kinds."""
