# SPDX-License-Identifier: Apache-2.0
"""The build backend is that of setuptools; as one of this folder it lets setup.py import tools.build_core."""

from setuptools.build_meta import *  # noqa: F403
