//! Rhythm: how often a source says something, as its own items date it.

use crate::model::clock::Timestamp;
use crate::model::item::Item;

/// The newest items that tell the rhythm.
const NEWEST: usize = 20;
/// Fewer dated items than this tell nothing.
const FEWEST: usize = 8;

/// When the newest of `items` was published, and the longest time between two of the newest twenty, in microseconds.
/// Dates from the future and items without a date tell nothing.
#[must_use]
pub fn of(items: &[Item], now: Timestamp) -> (Option<Timestamp>, Option<i64>) {
    let mut dates: Vec<i64> = items.iter().filter_map(|item| item.published).map(|at| at.0).collect();
    dates.retain(|at| (1..=now.0).contains(at));
    dates.sort_unstable_by(|a, b| b.cmp(a));
    let newest = dates.first().copied().map(Timestamp);
    dates.truncate(NEWEST);
    let gap = dates.windows(2).map(|pair| pair[0] - pair[1]).max();
    (newest, gap.filter(|_| dates.len() >= FEWEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_of_the_newest_items_is_the_rhythm() {
        let item = |at| Item { published: Some(Timestamp(at)), ..Item::default() };
        let mut items: Vec<Item> = [100, 90, 85, 60, 55, 50, 45, 40].map(item).to_vec();
        items.extend([item(1_000), Item::default()]);
        assert_eq!(of(&items, Timestamp(200)), (Some(Timestamp(100)), Some(25)));
        assert_eq!(of(&items[..3], Timestamp(200)), (Some(Timestamp(100)), None), "three dates tell no rhythm");
        assert_eq!(of(&[], Timestamp(200)), (None, None));
    }
}
