"""Training in several processes: a world of them on one machine or many, and Ray, which starts them."""
