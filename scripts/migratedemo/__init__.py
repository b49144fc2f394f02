# migratedemo - what scripts/migrate-demo is made of; the tests use its workload too.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""What scripts/migrate-demo is made of."""
