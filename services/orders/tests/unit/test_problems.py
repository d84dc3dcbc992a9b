"""Every broken rule has an answer of its own."""

from orders import api, domain


def test_every_named_error_has_a_problem_type_and_no_two_share_one() -> None:
    assert set(api.PROBLEMS) == set(domain.OrderError.__subclasses__())
    assert len({kind.slug for kind in api.PROBLEMS.values()}) == len(api.PROBLEMS)
