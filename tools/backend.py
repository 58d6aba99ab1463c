# SPDX-License-Identifier: Apache-2.0
"""The build backend of setuptools; imported from this folder, so that setup.py can import tools.build_core."""

from setuptools.build_meta import *  # noqa: F403
