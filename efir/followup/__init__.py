"""What follows a verdict: the route of each lead, and the three messages."""
