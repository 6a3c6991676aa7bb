"""Attendance: tracker, classifier and reports. The server alone decides the verdicts, from recorded presence."""
