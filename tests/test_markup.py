"""Promises about what tests see of a page (pure): the layout of its template is gone, what is shown stays."""

from __future__ import annotations

from tests.markup import as_shown


def test_the_layout_of_a_template_does_not_show() -> None:
    laid_out = (
        '<td\n  class="a"\n>\n  <p>\n    one\n    two\n  </p>\n  <button >\n    Save\n  </button>\n</td>\n'
    )
    assert as_shown(laid_out) == '<td class="a"><p>one two</p><button>Save</button></td>'


def test_spaces_that_a_reader_sees_stay() -> None:
    for shown in (
        "<p>one <a>two</a> three</p>",
        "<p><a>one</a> <a>two</a></p>",
        "<pre>  a\n  b</pre>",
        "<textarea>\n a\n</textarea>",
        "<p>a\u00a0b\u2009c</p>",
        '<input value="a  b > c">',
    ):
        assert as_shown(shown) == shown
    assert as_shown("<p>one<a>two</a></p>") != as_shown("<p>one <a>two</a></p>")
