# summary.py - the last word of a demonstration: what the move has cost, and whether the guest's data are whole.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""The last word of a demonstration."""
from . import workload
from .display import mega, milli

NOISY = 15                      # per cent of the host that others may use before it is worth a word


def verdict(result):
    """What is wrong with the guest's data: a list, empty if nothing."""
    saw, disk = result['guest-saw'], result.get('disk')
    wrong = ['%d %s' % (saw[key], text) for key, text in (
        ('bad-pages', 'pages are not what the guest wrote'), ('bad-blocks', 'disk blocks were read back wrong'),
        ('missing', 'heartbeats are missing'), ('doubled', 'heartbeats came twice'),
        ('torn-lines', 'lines of the console are torn')) if saw[key]]
    if disk:
        if disk['sha256-guest'] != disk['sha256-image']:
            wrong.append('the disk has sha256 %(sha256-guest)s in the guest, %(sha256-image)s in the image' % disk)
        if disk['wrong-blocks-in-image']:
            wrong.append('%d blocks that the guest has on disk are not in the image' % disk['wrong-blocks-in-image'])
        if not disk['network-answers']:
            wrong.append('the gateway does not answer the guest in B')
        if disk.get('sha256-at-load') != disk.get('sha256-in-snapshot'):
            wrong.append('the disk that B started with is not that of the snapshot')
    if not result.get('taken-meanwhile', True):
        wrong.append('the guest is not back at the moment of savevm')
    return wrong


def percent(value):
    """Per cent for people."""
    return 'unknown' if value is None else '%.0f %%' % value


def move_rows(result):
    """What a move has cost."""
    info, saw = result['migration'], result['guest-saw']
    ram = info.get('ram', {})
    page = ram.get('page-size', workload.PAGE)
    sent, zero, normal = ram.get('transferred', 0), ram.get('duplicate', 0), ram.get('normal', 0)
    content = ram.get('normal-bytes', normal * page)
    bytes_sent = sent + info.get('disk', {}).get('transferred', 0)
    again, disk = info.get('xbzrle-cache', {}), info.get('disk')
    seconds = info.get('total-time', 0) / 1000
    limit = '' if result['downtime-limit'] is None else ' (limit %d ms)' % result['downtime-limit']
    rows = [
        ('total time', '%.2f s: %d passes, %s at %s/s' % (
            seconds, ram.get('dirty-sync-count', 0), mega(bytes_sent), mega(bytes_sent / seconds if seconds else 0))),
        ('downtime', '%s by the monitor%s' % (milli(info.get('downtime')), limit)),
        ('', "%s by the guest's clock, which stood still" % milli(saw['clock-stood-ms'])),
        ('', '%s missed heartbeat (longest: moving %s, before %s)' % tuple(
            milli(saw[key]) for key in ('silence-ms', 'silence-anywhere-ms', 'usual-silence-ms'))),
        ('bytes', '%s for %d pages with content' % (mega(content), normal)),
    ]
    if again:
        rows.append(('', '%s for %d pages as differences' % (mega(again.get('bytes', 0)), again.get('pages', 0))))
    if disk:
        rows.append(('', '%s for the disk' % mega(disk['transferred'])))
    return rows + [
        ('', '%s for %d zero pages, headers and devices' % (
            mega(max(0, sent - content - again.get('bytes', 0))), zero)),
        ('guest speed', 'lost %s while it moved, %s afterwards' % (
            percent(saw['lost-during-percent']), percent(saw['lost-after-percent']))),
        ('handover', info.get('handover', 'not told')),
    ]


def snapshot_rows(result):
    """What a snapshot has cost, and where its guest is back."""
    saw, sizes = result['guest-saw'], result['bytes']
    there, later = result['moment'], result['a-went-on-to']
    disks = sum(size for name, size in sizes.items() if name.startswith('disk'))
    return [
        ('savevm', '%.2f s; missed heartbeat %s (longest before: %s)' % (
            result['save-seconds'], milli(saw['silence-ms']), milli(saw['usual-silence-ms']))),
        ('bytes', '%s on disk: %s memory and devices, %s disks' % (
            mega(sum(sizes.values())), mega(sizes.get('state', 0)), mega(disks))),
        ('the moment', 'heartbeat %(seq)d, %(blocks)d disk blocks' % there),
        ('A went on', 'to heartbeat %(seq)d, %(blocks)d disk blocks' % later),
        ('B is back', 'at heartbeat %d' % (there['seq'] + 1)),
    ]


def data_rows(result):
    """What was looked at."""
    saw, disk = result['guest-saw'], result.get('disk')
    rows = [('heartbeats', '%d, %d missing, %d twice' % (saw['beats'], saw['missing'], saw['doubled'])),
            ('memory', '%d pages rewritten and checked, %d wrong' % (saw['pages-rewritten'], saw['bad-pages']))]
    if disk:
        if 'sha256-at-load' in disk:
            rows.append(('disk', 'when B starts %s that of the moment; A had %schanged it since' % (
                'it is' if disk['sha256-at-load'] == disk['sha256-in-snapshot'] else 'it is NOT',
                '' if disk['sha256-at-load'] != disk['sha256-when-a-ended'] else 'not ')))
        rows.append(('' if 'sha256-at-load' in disk else 'disk',
                     '%d blocks, %d wrong; sha256 %s in guest and image' % (
                         saw['disk-blocks'], saw['bad-blocks'],
                         'the same' if disk['sha256-guest'] == disk['sha256-image'] else 'DIFFERENT')))
        rows.append(('network', 'the gateway %s in B' % (
            'answers' if disk['network-answers'] else 'DOES NOT ANSWER')))
    return rows


def summary(result, display):
    """The last word."""
    rows = (snapshot_rows if result['way'] == 'snapshot' else move_rows)(result) + data_rows(result)
    display.line()
    display.line('Summary')
    for name, text in rows:
        display.line('  %-12s  %s' % (name, text))
    other = result['other-load-percent']
    if other is not None and other > NOISY:
        display.line('  %-12s  others used %.0f %% of this host: the times are worse for it'
                     % ('noise', other))
    for text in result['whole']:
        display.line('WRONG: ' + text)
    if not result['whole']:
        display.line('The guest has lost nothing.')
