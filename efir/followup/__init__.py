"""What follows a verdict: the route of each lead, and the messages to the lead and to the inviter."""
