"""A stand-in for PagerDuty's REST API v2, faithful to the fact sheet "PagerDuty facts for Incident Central"."""
