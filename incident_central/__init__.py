"""Incident Central: anyone says what is broken, the people on call are paged once, and a channel opens."""
