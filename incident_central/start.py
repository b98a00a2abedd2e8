"""What may keep the hub from starting."""


class CannotStart(Exception):
    """The text says what is wrong and how to mend it; the command line prints it and ends with exit code 2."""
