"""What training is told: images, augmentation, teachers, sizes, experts and the steps. No torch here."""
