//! Columns of figures that give way where a panel is narrow.

use crate::theme::Role;
use crate::widget::pen::{Pen, text_width};
use crate::widget::spark;

/// A column; those of a small rank find room first.
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Cells, with the gap before it.
    pub width: u16,
    /// Which ones find room before it.
    pub rank: u8,
}

/// Cells of a series: six seconds each.
const SERIES: u16 = 10;

/// Where each column ends, right-aligned in `width` beside a name of at least `name` cells; 0 for what finds no room.
pub fn columns<const N: usize>(width: u16, name: u16, columns: &[Column; N]) -> [u16; N] {
    let mut free = width.saturating_sub(name + 1);
    let mut fits = [false; N];
    let mut by_rank: Vec<usize> = (0..N).collect();
    by_rank.sort_by_key(|at| columns[*at].rank);
    for at in by_rank {
        if columns[at].width <= free {
            free -= columns[at].width;
            fits[at] = true;
        }
    }
    let mut end = name + free;
    std::array::from_fn(|at| {
        if !fits[at] {
            return 0;
        }
        end += columns[at].width;
        end
    })
}

/// A minute of counts, ending at a column's end.
pub fn series(pen: &mut Pen<'_>, end: u16, y: u16, counts: &[u64], role: Role) {
    let folded: Vec<f64> = counts.chunks(6).map(|chunk| chunk.iter().map(|count| *count as f64).sum()).collect();
    let largest = folded.iter().copied().fold(1.0, f64::max);
    let style = pen.theme.style(role);
    spark::row(pen, end.saturating_sub(SERIES), y, SERIES, &folded, largest, style);
}

/// Says behind a panel's title how many rows are not shown, in eight columns: the next heading begins there.
pub fn rest(pen: &mut Pen<'_>, title: &str, all: usize, shown: usize) {
    if all > shown {
        let words = format!("{:>2} more", all - shown);
        pen.say(text_width(title) + 4, 0, &format!("{words:<8}"), Role::Heading);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: [Column; 3] = [
        Column { title: "a", width: 8, rank: 2 },
        Column { title: "b", width: 9, rank: 0 },
        Column { title: "c", width: 10, rank: 1 },
    ];

    #[test]
    fn columns_give_way_by_rank_and_end_at_the_right_edge() {
        assert_eq!(columns(60, 10, &THREE), [40, 49, 59]);
        assert_eq!(columns(38, 10, &THREE), [18, 27, 37]);
        assert_eq!(columns(37, 10, &THREE), [0, 26, 36]);
        assert_eq!(columns(28, 10, &THREE), [18, 27, 0], "what is narrow finds room that the next in rank does not");
        assert_eq!(columns(25, 10, &THREE), [0, 24, 0]);
        assert_eq!(columns(12, 10, &THREE), [0, 0, 0]);
    }
}
