"""Whole houses, for the tests of the demo."""

from tests.houses import make_house

__all__ = ["make_house"]
