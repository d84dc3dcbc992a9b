"""Examines what this repository ships: the images that it builds on, and the packages in its locks."""
