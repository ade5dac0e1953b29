//! Which rows of a list are seen.

/// First row to draw so that the selected one is inside, with some rows around it. Without a selection the top.
pub fn first_row(selected: Option<usize>, rows: usize, height: u16) -> usize {
    let height = usize::from(height);
    let Some(selected) = selected else { return 0 };
    let furthest = rows.saturating_sub(height);
    selected.saturating_sub(height / 2).min(furthest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_selected_row_is_always_seen(at in 0_usize..500, below in 0_usize..500, height in 1_u16..60) {
            let rows = at + 1 + below;
            let first = first_row(Some(at), rows, height);
            prop_assert!(first <= at && at < first + usize::from(height));
            prop_assert!(first == 0 || first + usize::from(height) <= rows);
        }
    }
}
