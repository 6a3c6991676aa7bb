"""What the installation says about itself: its name and look, who is responsible, and its defaults."""
