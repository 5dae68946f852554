"""plot -- a line over time as an SVG that needs nothing else: dots, their moving mean, and phases behind them."""

import html

WIDTH, HEIGHT = 900, 360
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 50, 50
MEAN_OVER = 5  # samples
PHASE_COLOURS = ("#eef3fa", "#dbe7f5", "#c4d8ef")
TICKS_WANTED = 6


def nice_step(greatest):
    """A step of 1, 2 or 5 times a power of ten that gives about as many ticks as wanted."""
    power = 1
    while power * 10 * TICKS_WANTED <= greatest:
        power *= 10
    return next((power * k for k in (1, 2, 5, 10) if power * k * TICKS_WANTED >= greatest), power * 10)


def ticks(greatest):
    step = nice_step(greatest)
    return [step * i for i in range(int(greatest / step) + 1)]


def moving_mean(values):
    half = MEAN_OVER // 2
    windows = [values[max(0, i - half) : i + half + 1] for i in range(len(values))]
    return [sum(window) / len(window) for window in windows]


def draw(title, unit, samples, phases):
    """samples: (second, value); phases: (from second, to second, label, weight from 0 to 2)."""
    seconds_max = samples[-1][0]
    value_max = max(value for _, value in samples) * 1.05 or 1

    def x(second):
        return LEFT + (WIDTH - LEFT - RIGHT) * second / seconds_max

    def y(value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / value_max

    def text(at_x, at_y, words, anchor="middle", size=12):
        return '<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d">%s</text>' % (
            at_x, at_y, anchor, size, html.escape(words))

    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" fill="#222">'
        % (WIDTH, HEIGHT),
        "<title>%s</title>" % html.escape(title),
        '<rect width="%d" height="%d" fill="#ffffff"/>' % (WIDTH, HEIGHT),
        text(LEFT, 20, title, "start", 15),
    ]
    for begin, end, label, weight in phases:
        out.append('<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>' % (
            x(begin), TOP, x(end) - x(begin), HEIGHT - TOP - BOTTOM, PHASE_COLOURS[weight]))
        out.append(text((x(begin) + x(end)) / 2, TOP - 8, label))
    for value in ticks(value_max):
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#b8c0c8" stroke-width="0.5"/>' % (
            LEFT, WIDTH - RIGHT, y(value), y(value)))
        out.append(text(LEFT - 8, y(value) + 4, format(value, ","), "end"))
    for second in ticks(seconds_max):
        out.append(text(x(second), HEIGHT - BOTTOM + 18, "%d" % second))
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "seconds"))
    out.append(text(LEFT - 8, TOP - 8, unit, "end"))
    for second, value in samples:
        out.append('<circle cx="%.1f" cy="%.1f" r="2" fill="#7f9fc4"/>' % (x(second), y(value)))
    means = moving_mean([value for _, value in samples])
    points = " ".join("%.1f,%.1f" % (x(second), y(mean)) for (second, _), mean in zip(samples, means))
    out.append('<polyline points="%s" fill="none" stroke="#1f4e8c" stroke-width="2"/>' % points)
    out.append("</svg>")
    return "\n".join(out) + "\n"
