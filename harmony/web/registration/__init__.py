"""Registration messages on pages: send them, see how they ended, and the page that their link leads to."""
