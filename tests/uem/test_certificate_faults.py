"""Why a certificate does not hold, as tables. Pure: no rung, no network."""

from __future__ import annotations

import pytest

from harmony.uem.trust.certificate_faults import end_of_chain, name_mismatch
from harmony.uem.trust.x509 import CertificateSummary, summarize
from tests.faults.certs import TODAY, Made, a_certificate


def shown(made: Made) -> CertificateSummary:
    return summarize(made.certificate, TODAY)


@pytest.mark.parametrize(
    ("host", "names", "says"),
    [
        ("10.0.0.5", ("dns:10.0.0.5",), "as a DNS name only"),
        ("2001:db8::5", ("dns:2001:DB8:0::5",), "as a DNS name only"),
        ("10.0.0.5", ("10.0.0.6", "uem.corp"), "it names uem.corp, 10.0.0.6"),
        ("10.0.0.5", ("uem.corp",), "and no IP address: enter one of the names"),
        ("uem.corp", ("*.uem.corp",), "it names *.uem.corp, where * stands for exactly one label"),
        ("a.b.corp", ("*.corp",), "where * stands for exactly one label"),
        ("uem1.corp", ("uem*.corp",), "where * is only a part of a label"),
        ("uem.corp", ("dns:uem.corp.",), "it names uem.corp. with a dot at its end"),
        ("uem.corp", ("UEM.other", "x.y"), "it names UEM.other, x.y"),
        ("uem.corp", (), "it has no subject alternative names"),
        ("xn--uem-xla.example", ("*.example.org",), "it names *.example.org"),
    ],
)
def test_names_that_do_not_count_are_told_with_the_reason(
    host: str, names: tuple[str, ...], says: str
) -> None:
    assert says in name_mismatch(host, shown(a_certificate("other", names=names)))


def test_a_common_name_does_not_count() -> None:
    made = a_certificate("UEM.corp", names=())
    assert "(its common name does not count)" in name_mismatch("uem.corp", shown(made))
    assert "common name" not in name_mismatch("other.corp", shown(made))


def test_many_names_are_cut_and_counted() -> None:
    made = a_certificate(names=tuple(f"n{number}.corp" for number in range(12)))
    assert name_mismatch("uem.corp", shown(made)).endswith("n7.corp and 4 more")


def test_a_chain_is_followed_as_far_as_it_is_there_and_never_for_ever() -> None:
    root = a_certificate("Root", authority=True, names=())
    middle = a_certificate("Middle", issuer=root, authority=True, names=())
    leaf = a_certificate("leaf", issuer=middle)
    assert end_of_chain(shown(leaf)).subject == "leaf"
    assert end_of_chain(shown(leaf), [shown(middle)]).subject == "Middle"
    assert end_of_chain(shown(leaf), [shown(root), shown(middle)]).subject == "Root"
    one, two = a_certificate("One", authority=True), a_certificate("Two", authority=True)
    crossed = [shown(a_certificate("One", issuer=two)), shown(a_certificate("Two", issuer=one))]
    assert end_of_chain(crossed[0], crossed).subject in {"One", "Two"}
