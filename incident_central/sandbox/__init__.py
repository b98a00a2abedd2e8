"""Stand-ins for PagerDuty and Slack: real HTTP servers to try the hub against, and to test it with."""
