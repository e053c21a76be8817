"""Fixtures of this folder."""

from batch_platform_tests.pipelines.fixtures import instance, project, settings

__all__ = ["instance", "project", "settings"]
