//! Whoever has all that is shown does not get back what is withheld: tried by counting every table
//! that could be behind what is shown.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::needless_range_loop,
    reason = "tables of a few cells, told by row and column"
)]

use proptest::prelude::*;

use super::*;

/// The smallest and the largest value that each figure and sum can have, from every table of
/// figures up to `most` that fits what is shown.
fn ranges(table: &Table, most: u64) -> Vec<Vec<(u64, u64)>> {
    let (rows, columns) = (table.rows_count, table.columns_count);
    let mut found = vec![vec![(u64::MAX, 0); columns + 1]; rows + 1];
    let mut guess = vec![vec![0_u64; columns]; rows];
    search(table, most, &mut guess, 0, &mut found);
    found
}

fn search(
    table: &Table,
    most: u64,
    guess: &mut Vec<Vec<u64>>,
    at: usize,
    found: &mut Vec<Vec<(u64, u64)>>,
) {
    let (rows, columns) = (table.rows_count, table.columns_count);
    // a row that is full must give its sum
    if at > 0 && at.is_multiple_of(columns) {
        let row = at / columns - 1;
        let sum: u64 = guess[row].iter().sum();
        if table.shown(row, columns).is_some_and(|shown| shown != sum) {
            return;
        }
    }
    if at == rows * columns {
        let mut whole: Vec<Vec<u64>> = guess.clone();
        for row in &mut whole {
            row.push(row.iter().sum());
        }
        whole.push(
            (0..=columns)
                .map(|c| whole.iter().map(|row| row[c]).sum())
                .collect(),
        );
        for (row, told) in whole.iter().enumerate() {
            for (column, value) in told.iter().enumerate() {
                if table
                    .shown(row, column)
                    .is_some_and(|shown| shown != *value)
                {
                    return;
                }
            }
        }
        for (row, told) in whole.iter().enumerate() {
            for (column, value) in told.iter().enumerate() {
                let range = &mut found[row][column];
                *range = (range.0.min(*value), range.1.max(*value));
            }
        }
        return;
    }
    let (row, column) = (at / columns, at % columns);
    let values = match table.shown(row, column) {
        Some(shown) => shown..=shown,
        None => 0..=most,
    };
    for value in values {
        guess[row][column] = value;
        search(table, most, guess, at + 1, found);
    }
}

fn holds(rows: &[Vec<u64>], sums: Sums, most: u64) {
    let table = Table::protect(rows, sums);
    let ranges = ranges(&table, most);
    for row in 0..=table.rows_count {
        for column in 0..=table.columns_count {
            let figure = table.figure(row, column);
            if figure < SMALL_CELL {
                assert!(
                    table.shown(row, column).is_none(),
                    "{rows:?} shows {figure}"
                );
            }
            let told = sums == Sums::OfBoth || column < table.columns_count;
            if told && table.is_withheld(row, column) {
                let (least, largest) = ranges[row][column];
                assert!(
                    largest - least >= SPREAD_MIN,
                    "{rows:?}: {row}, {column} is {least} to {largest} in {table:?}"
                );
            }
        }
    }
}

#[test]
fn a_table_of_large_figures_is_shown_whole() {
    let rows = [vec![20, 7], vec![9, 5]];
    let table = Table::protect(&rows, Sums::OfBoth);
    for (row, told) in [[20, 7, 27], [9, 5, 14], [29, 12, 41]].iter().enumerate() {
        for (column, figure) in told.iter().enumerate() {
            assert_eq!(table.shown(row, column), Some(*figure));
        }
    }
}

#[test]
fn one_small_figure_takes_another_with_it_and_never_comes_back() {
    let rows = [vec![3], vec![20], vec![8]];
    let table = Table::protect(&rows, Sums::OfColumns);
    let shown: Vec<Option<u64>> = (0..3).map(|row| table.shown(row, 0)).collect();
    assert_eq!(
        (shown, table.shown_sum(0)),
        (vec![None, Some(20), None], Some(31))
    );
    // withheld beside it, a 0 would leave nothing to guess: a larger one is taken
    holds(&[vec![0], vec![20], vec![8]], Sums::OfColumns, 31);
    let zeros = Table::protect(&[vec![0], vec![0], vec![9]], Sums::OfColumns);
    assert_eq!((0..3).filter_map(|row| zeros.shown(row, 0)).count(), 0);
}

#[test]
fn a_table_of_small_figures_shows_nothing_that_helps() {
    for rows in [
        vec![vec![0]],
        vec![vec![1], vec![2]],
        vec![vec![0, 0], vec![0, 0]],
    ] {
        holds(&rows, Sums::OfColumns, 12);
        holds(&rows, Sums::OfBoth, 8);
    }
}

#[test]
fn without_the_figures_beside_it_a_small_one_would_come_back() {
    // the control: what is withheld by size alone is given back by the sums
    let rows = vec![vec![3], vec![20], vec![8]];
    let mut table = Table::protect(&rows, Sums::OfColumns);
    for row in 1..3 {
        table.withheld[row][0] = false;
    }
    assert_eq!(ranges(&table, 40)[0][0], (3, 3));
    assert!(!table.is_safe(0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn nothing_withheld_comes_back_from_columns(
        rows in prop::collection::vec(prop::collection::vec(0_u64..9, 1), 1..5)
    ) {
        holds(&rows, Sums::OfColumns, 24);
    }

    #[test]
    fn nothing_withheld_comes_back_from_both_sums(
        rows in prop::collection::vec(prop::collection::vec(0_u64..9, 2), 2..4)
    ) {
        holds(&rows, Sums::OfBoth, 14);
    }

    /// The flow is exact: a figure is safe if and only if counting all tables leaves it a range.
    #[test]
    fn the_flow_says_what_counting_says(
        rows in prop::collection::vec(prop::collection::vec(0_u64..7, 2), 2),
        hidden in prop::collection::vec(any::<bool>(), 9)
    ) {
        let mut table = Table::protect(&rows, Sums::OfBoth);
        for (at, hides) in hidden.iter().enumerate() {
            table.withheld[at / 3][at % 3] = *hides;
        }
        // wide enough that no bound of the search is felt below the least spread
        let ranges = ranges(&table, 24);
        for row in 0..3 {
            for column in 0..3 {
                if table.is_withheld(row, column) {
                    let (least, largest) = ranges[row][column];
                    prop_assert_eq!(table.is_safe(row, column), largest - least >= SPREAD_MIN);
                }
            }
        }
    }

    #[test]
    fn a_wide_table_is_protected_in_time(
        rows in prop::collection::vec(prop::collection::vec(0_u64..12, 2), 103)
    ) {
        let table = Table::protect(&rows, Sums::OfColumns);
        for row in 0..=103 {
            for column in 0..2 {
                prop_assert!(!table.is_withheld(row, column) || table.is_safe(row, column));
            }
        }
    }
}
