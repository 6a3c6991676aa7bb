"""Follow up verdicts: the route of each lead, and the messages to the lead and to the inviter."""
