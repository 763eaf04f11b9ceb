//! Charts: small pictures in SVG, drawn from counts. Each comes with its text alternative; their colors are the sheet's.

use std::fmt::Write as _;

/// A bar: its name below the axis, and how high each of its parts is, from the ground up.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) counts: Vec<u32>,
}

const WIDTH: u32 = 720;
const HEIGHT: u32 = 160;
const GROUND: u32 = 130;
const TOP: u32 = 14;

/// Bars of stacked parts; `classes` are the parts' names, from the ground up. `alternative` says what the picture shows.
pub(super) fn stacked(bars: &[Bar], classes: &[&str], alternative: &str) -> String {
    let highest = bars.iter().map(|bar| bar.counts.iter().sum::<u32>()).max().unwrap_or_default().max(1);
    let step = WIDTH / u32::try_from(bars.len().max(1)).unwrap_or(1);
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escaped(alternative)
    );
    let _ = write!(svg, "<line class=\"base\" x1=\"0\" y1=\"{GROUND}\" x2=\"{WIDTH}\" y2=\"{GROUND}\"/>");
    for (at, bar) in (0..).zip(bars) {
        let (x, width) = (at * step + step / 6, step * 2 / 3);
        let total: u32 = bar.counts.iter().sum();
        let mut below = 0;
        for (count, class) in bar.counts.iter().zip(classes).filter(|(count, _)| **count > 0) {
            // Both ends are rounded alike, so that the parts neither overlap nor leave a gap.
            let (low, high) = (height(below, highest), height(below + count, highest));
            let (y, tall) = (GROUND - high, (high - low).max(1));
            let _ =
                write!(svg, "<rect class=\"fill-{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{tall}\"/>");
            below += count;
        }
        let middle = x + width / 2;
        if total > 0 {
            let y = GROUND - height(total, highest) - 4;
            let _ = write!(svg, "<text x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\">{total}</text>");
        }
        let name = escaped(&bar.name);
        let _ = write!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{name}</text>", GROUND + 16);
    }
    svg.push_str("</svg>");
    svg
}

/// Side of a day, and from one to the next.
const SIDE: usize = 11;
const PITCH: usize = 14;
/// Room for the names of weekdays and months.
const LEFT: usize = 30;
const ABOVE: usize = 16;
/// How many shades there are beside that of nothing.
const SHADES: u32 = 4;

/// Days as squares, a week a column, Monday on top; the fuller a day, the stronger its shade. `days` begin on a Monday;
/// `months` says above which columns stands what.
pub(super) fn weeks(days: &[u32], months: &[(usize, String)], alternative: &str) -> String {
    let highest = days.iter().copied().max().unwrap_or_default().max(1);
    let shade = |count: u32| u64::from(count) * u64::from(SHADES);
    let (width, tall) = (LEFT + days.len().div_ceil(7) * PITCH, ABOVE + 7 * PITCH);
    let mut svg = format!(
        "<svg class=\"chart weeks\" viewBox=\"0 0 {width} {tall}\" role=\"img\" aria-label=\"{}\">",
        escaped(alternative)
    );
    for (row, name) in [(0, "Mon"), (2, "Wed"), (4, "Fri")] {
        let _ = write!(svg, "<text x=\"0\" y=\"{}\">{name}</text>", ABOVE + row * PITCH + SIDE - 2);
    }
    for (column, name) in months {
        let _ = write!(svg, "<text x=\"{}\" y=\"10\">{}</text>", LEFT + column * PITCH, escaped(name));
    }
    for level in 0..=SHADES {
        let of_level = |count: u32| shade(count).div_ceil(u64::from(highest)) == u64::from(level);
        let mut path = String::new();
        for (at, _) in days.iter().enumerate().filter(|(_, count)| of_level(**count)) {
            let (x, y) = (LEFT + at / 7 * PITCH, ABOVE + at % 7 * PITCH);
            let _ = write!(path, "M{x} {y}h{SIDE}v{SIDE}h-{SIDE}z");
        }
        if !path.is_empty() {
            let _ = write!(svg, "<path class=\"heat-{level}\" d=\"{path}\"/>");
        }
    }
    svg.push_str("</svg>");
    svg
}

fn height(count: u32, highest: u32) -> u32 {
    let room = u64::from(GROUND - TOP);
    u32::try_from(u64::from(count) * room / u64::from(highest)).unwrap_or(GROUND - TOP)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_its_square_and_shade() {
        let svg = weeks(&[0, 1, 4, 2, 0, 0, 3, u32::MAX, 0], &[(1, "<Dec>".to_owned())], "a & b");
        assert_eq!(svg.matches('M').count() - svg.matches("Mon").count(), 9, "{svg}");
        assert!(svg.contains("heat-0") && svg.contains("heat-4") && svg.contains("heat-1"), "{svg}");
        assert!(svg.contains("&lt;Dec&gt;") && svg.contains("a &amp; b"));
        assert!(weeks(&[], &[], "").ends_with("</svg>"));
    }

    #[test]
    fn bars_fit_whatever_their_counts_and_names_are_escaped() {
        let bars = [
            Bar { name: "<Jan>".to_owned(), counts: vec![u32::MAX / 4, u32::MAX / 4] },
            Bar { name: "Feb".to_owned(), counts: vec![0, 0] },
        ];
        let svg = stacked(&bars, &["low", "high"], "\"quoted\"");
        assert!(svg.contains("&lt;Jan&gt;") && svg.contains("&quot;quoted&quot;") && !svg.contains("<Jan>"));
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(stacked(&[], &[], "").ends_with("</svg>"));
    }
}
