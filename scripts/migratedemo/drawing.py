# drawing.py - a move as a picture: heartbeats of both processes, memory that is left, passes, the gap.
#
# The same results give the same bytes.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""A move as a picture."""

WIDTH, LEFT, RIGHT = 760, 90, 20
BEATS_A, BEATS_B, BEAT, GRAPH_TOP, GRAPH_END = 58, 88, 18, 128, 250
HEIGHT = 300
STYLE = ('text{font:12px sans-serif;fill:#222}.h{font-size:15px}.m{text-anchor:middle}.e{text-anchor:end}'
         '.a{stroke:#2166ac}.b{stroke:#b2182b}.p{stroke:#999;stroke-dasharray:3 3}.x{stroke:#222}'
         '.l{fill:#92c5de;stroke:#2166ac}.g{fill:#fddbc7}')


class Picture:
    """The elements of one picture, and its time axis."""

    def __init__(self, first, last):
        self.first, self.last = first, last
        self.parts = []

    def x(self, when):
        """Where a moment stands."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (when - self.first) / (self.last - self.first)

    def text(self, x, y, text, kind=''):
        """A text; kind: classes of STYLE."""
        self.parts.append('<text x="%.1f" y="%.1f"%s>%s</text>' % (x, y, ' class="%s"' % kind if kind else '', text))

    def path(self, kind, data):
        """Lines."""
        self.parts.append('<path class="%s" d="%s"/>' % (kind, data))

    def beats(self, kind, y, moments, name):
        """A row of heartbeats."""
        self.text(LEFT - 8, y + BEAT - 4, name, 'e')
        self.path(kind, ''.join('M%.1f %dv%d' % (self.x(when), y, BEAT) for when in moments))

    def svg(self):
        """The file."""
        return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d">\n'
                '<style>%s</style>\n<rect width="100%%" height="100%%" fill="#fff"/>\n%s\n</svg>\n' % (
                    WIDTH, HEIGHT, WIDTH, HEIGHT, STYLE, '\n'.join(self.parts)))


def graph(picture, line):
    """The memory that is left, over time."""
    total = max(left for _, left in line['left']) or 1

    def y(left):
        return GRAPH_END - (GRAPH_END - GRAPH_TOP) * left / total
    points = ''.join('L%.1f %.1f' % (picture.x(when), y(left)) for when, left in line['left'])
    picture.path('l', 'M%.1f %d%sV%dZ' % (picture.x(line['left'][0][0]), GRAPH_END, points, GRAPH_END))
    picture.text(LEFT - 8, GRAPH_TOP + 8, '%.0f MB' % (total / 1e6), 'e')
    picture.text(LEFT - 8, (GRAPH_TOP + GRAPH_END) / 2, 'left', 'e')
    picture.text(LEFT - 8, GRAPH_END, '0', 'e')
    for when in (w for w in line['passes'] if w <= line['a'][-1]):
        picture.path('p', 'M%.1f %dV%d' % (picture.x(when), GRAPH_TOP, GRAPH_END))


def axis(picture):
    """Seconds."""
    picture.path('x', 'M%d %dH%d' % (LEFT, GRAPH_END, WIDTH - RIGHT))
    step = max(1, round((picture.last - picture.first) / 8))
    for second in range(0, int(picture.last) + 1, step):
        picture.path('x', 'M%.1f %dv4' % (picture.x(second), GRAPH_END))
        picture.text(picture.x(second), GRAPH_END + 17, '%d s' % second, 'm')
    picture.text(picture.x(0), GRAPH_END + 34, 'migrate', 'm')


def svg(result):
    """The picture of a move, from its results."""
    line, info, saw = result['timeline'], result['migration'], result['guest-saw']
    stop, go = line['a'][-1], line['b'][0]
    picture = Picture(line['a'][0], line['b'][-1])
    picture.parts.append('<rect class="g" x="%.1f" y="%d" width="%.1f" height="%d"/>' % (
        picture.x(stop), BEATS_A - 6, max(1, picture.x(go) - picture.x(stop)), GRAPH_END - BEATS_A + 6))
    picture.text(LEFT, 24, 'A running guest moves (%s): %.2f s, %d passes, %.0f MB' % (
        result['way'], info['total-time'] / 1000, info['ram']['dirty-sync-count'],
        info['ram']['transferred'] / 1e6), 'h')
    picture.text(picture.x((stop + go) / 2), BEATS_A - 12, 'stop: %d ms by the monitor, %.0f ms between two heartbeats' % (
        info['downtime'], saw['silence-ms']), 'e' if picture.x(stop) > WIDTH / 2 else '')
    picture.beats('a', BEATS_A, line['a'], 'heart in A')
    picture.beats('b', BEATS_B, line['b'], 'heart in B')
    graph(picture, line)
    axis(picture)
    return picture.svg()
