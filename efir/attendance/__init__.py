"""Tracker and classifier: from presence to the verdict, decided by the server alone."""
