"""Attendance: tracker, classifier and reports. The server alone decides, from recorded presence and watching."""
