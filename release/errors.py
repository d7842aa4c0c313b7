"""Why there will be no release."""


class ReleaseError(Exception):
    """Something is not as a release needs it; the text is one line that says what, and what to do where that helps."""
