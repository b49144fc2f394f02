"""The QAPI generator: reads qapi/*.json, writes C, introspection and the reference manual.

SPDX-License-Identifier: GPL-2.0-or-later
"""
