"""Which cases stay on PostgreSQL in `make test`: every statement, every thread, every file."""

from __future__ import annotations

from tests.postgres_sample import LIST, Statements, chosen, is_listed, lines, shape

CASES = {
    "tests/a/test_x.py::test_all[postgresql]": Statements({"SELECT 1", "SELECT 2"}, {1}),
    "tests/a/test_x.py::test_part[postgresql-1]": Statements({"SELECT 1"}, {1}),
    "tests/a/test_x.py::test_part[postgresql-2]": Statements({"SELECT 3"}, {1}),
    "tests/a/test_x.py::test_nothing_new[postgresql]": Statements({"SELECT 2"}, {1}),
    "tests/a/test_x.py::test_threads[postgresql]": Statements({"SELECT 1"}, {1, 2}),
    "tests/a/test_y.py::test_alone[postgresql]": Statements({"SELECT 1"}, {1}),
    "tests/b/test_z.py::test_other_room[postgresql]": Statements({"SELECT 1"}, {1}),
}


def test_every_statement_of_a_room_what_runs_in_threads_and_a_case_of_each_file_stay() -> None:
    left_out = set(CASES) - chosen(CASES)
    assert left_out == {
        "tests/a/test_x.py::test_part[postgresql-1]",
        "tests/a/test_x.py::test_nothing_new[postgresql]",
    }


def test_a_test_none_of_whose_cases_stays_is_a_line() -> None:
    listed = lines(CASES, chosen(CASES))
    assert listed == [
        "tests/a/test_x.py::test_nothing_new",
        "tests/a/test_x.py::test_part[postgresql-1]",
    ]
    assert is_listed("tests/a/test_x.py::test_nothing_new[postgresql]", set(listed))
    assert not is_listed("tests/a/test_x.py::test_part[postgresql-2]", set(listed))


def test_a_statement_is_the_same_with_however_many_values() -> None:
    assert shape("INSERT INTO a VALUES (%(b_1)s, %(c_1)s::INTEGER), (%(b_2)s, %(c_2)s::INTEGER)") == shape(
        "INSERT  INTO a\nVALUES (%(b)s, %(c)s::INTEGER)"
    )
    assert shape("DELETE FROM a WHERE b = ANY(%s)") == "DELETE FROM a WHERE b = ANY(P)"


def test_every_file_of_the_list_is_there() -> None:
    root = LIST.parent.parent
    missing = {line.partition("::")[0] for line in LIST.read_text(encoding="utf-8").splitlines()}
    assert {file for file in missing if not (root / file).is_file()} == set()
