//! Small cells: which figures of a table are withheld, so that none of them comes back.
//!
//! A figure under [`SMALL_CELL`] may point at a person, 0 too. Leaving it out is not enough: a sum
//! that is shown gives it back. So others are withheld beside it, until whoever has all that is
//! shown, and knows that no figure is negative, is still left with a range of at least
//! [`SPREAD_MIN`] for each figure that is withheld.
//!
//! A table with its sums is a net: a node for each row and each column, one more on either side for
//! the sums, and an edge for each figure. What can be moved round a circle of withheld edges
//! cannot be told from outside, so the range of a figure is what can flow between the ends of its
//! edge. That is exact, not a rule of thumb: a figure is safe if and only if the flow is there.

use std::collections::{BTreeMap, VecDeque};

/// Figures under it are small.
pub const SMALL_CELL: u64 = 5;
/// Least difference between the smallest and the largest value that a withheld figure could have.
pub const SPREAD_MIN: u64 = SMALL_CELL;
/// More than any figure, for what has no bound.
const UNBOUNDED: u64 = u64::MAX / 4;
/// A sum is withheld only where no figure inside of the table helps.
const SUM_COST: u64 = 1 << 40;

/// A table whose figures and sums may be withheld.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    rows_count: usize,
    columns_count: usize,
    /// By row and column; the last of either is the sum.
    figures: Vec<Vec<u64>>,
    withheld: Vec<Vec<bool>>,
}

/// Which sums of a table are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sums {
    /// Those of the columns only: the columns are of different things.
    OfColumns,
    /// Those of rows and columns, and the sum of all.
    OfBoth,
}

impl Table {
    /// Withholds what must be withheld of a table given row by row. Rows that are shorter than the
    /// longest count as filled with 0.
    #[must_use]
    pub fn protect(rows: &[Vec<u64>], sums: Sums) -> Self {
        let columns_count = rows.iter().map(Vec::len).max().unwrap_or_default();
        let mut figures: Vec<Vec<u64>> = rows
            .iter()
            .map(|row| {
                let mut row = row.clone();
                row.resize(columns_count, 0);
                row.push(sum(row.iter()));
                row
            })
            .collect();
        let of_column = |column| sum(figures.iter().filter_map(|row: &Vec<u64>| row.get(column)));
        figures.push((0..=columns_count).map(of_column).collect());
        let is_small = |row: &Vec<u64>| row.iter().map(|figure| *figure < SMALL_CELL).collect();
        let withheld = figures.iter().map(is_small).collect();
        let mut table = Self {
            rows_count: rows.len(),
            columns_count,
            figures,
            withheld,
        };
        if sums == Sums::OfColumns {
            for row in 0..=table.rows_count {
                table.withhold(row, columns_count);
            }
        }
        table.complete(sums);
        table
    }

    /// A figure or a sum, if it is shown. The row after the last, and the column after the last,
    /// are the sums.
    #[must_use]
    pub fn shown(&self, row: usize, column: usize) -> Option<u64> {
        let figure = *self.figures.get(row)?.get(column)?;
        (!self.is_withheld(row, column)).then_some(figure)
    }

    /// The sum of a column, if it is shown.
    #[must_use]
    pub fn shown_sum(&self, column: usize) -> Option<u64> {
        self.shown(self.rows_count, column)
    }

    fn figure(&self, row: usize, column: usize) -> u64 {
        let found = self.figures.get(row).and_then(|row| row.get(column));
        found.copied().unwrap_or_default()
    }

    fn is_withheld(&self, row: usize, column: usize) -> bool {
        let found = self.withheld.get(row).and_then(|row| row.get(column));
        found.copied().unwrap_or(true)
    }

    fn withhold(&mut self, row: usize, column: usize) {
        let found = self.withheld.get_mut(row);
        if let Some(withheld) = found.and_then(|row| row.get_mut(column)) {
            *withheld = true;
        }
    }

    fn is_sum(&self, row: usize, column: usize) -> bool {
        row == self.rows_count || column == self.columns_count
    }

    /// Withholds more until all that is withheld is safe.
    fn complete(&mut self, sums: Sums) {
        for row in 0..=self.rows_count {
            for column in 0..=self.columns_count {
                // a sum that no table of this shape shows tells nothing
                if sums == Sums::OfColumns && column == self.columns_count {
                    continue;
                }
                if self.is_withheld(row, column) {
                    self.cover(row, column);
                }
            }
        }
    }

    /// Withholds the cheapest circle of figures that leaves this one safe. Withholding more never
    /// makes another less safe: whatever could flow still can.
    fn cover(&mut self, row: usize, column: usize) {
        while !self.is_safe(row, column) {
            let mut circles: Vec<(u64, usize, usize)> = Vec::new();
            for other_row in (0..=self.rows_count).filter(|other| *other != row) {
                for other_column in (0..=self.columns_count).filter(|other| *other != column) {
                    let corners = [
                        (row, other_column),
                        (other_row, column),
                        (other_row, other_column),
                    ];
                    let costs = corners.map(|(row, column)| self.cost(row, column));
                    let cost = costs.into_iter().fold(0, u64::saturating_add);
                    if cost > 0 {
                        circles.push((cost, other_row, other_column));
                    }
                }
            }
            circles.sort_unstable();
            let mut tried = self.clone();
            let helps = circles.iter().find(|(_, other_row, other_column)| {
                tried.clone_from(self);
                tried.withhold_circle((row, column), (*other_row, *other_column));
                tried.is_safe(row, column)
            });
            match helps.or(circles.first()) {
                Some((_, other_row, other_column)) => {
                    self.withhold_circle((row, column), (*other_row, *other_column));
                }
                // all is withheld
                None => return,
            }
        }
    }

    fn cost(&self, row: usize, column: usize) -> u64 {
        if self.is_withheld(row, column) {
            return 0;
        }
        let figure = self.figure(row, column).saturating_add(1);
        if self.is_sum(row, column) {
            figure.saturating_add(SUM_COST)
        } else {
            figure
        }
    }

    fn withhold_circle(&mut self, (row, column): (usize, usize), other: (usize, usize)) {
        self.withhold(row, other.1);
        self.withhold(other.0, column);
        self.withhold(other.0, other.1);
    }

    fn is_safe(&self, row: usize, column: usize) -> bool {
        let figure = self.figure(row, column);
        // up by what can come back from its column to its row on other edges, down by the opposite
        let up = self.flow((row, column), Way::Up, SPREAD_MIN);
        let down = self.flow((row, column), Way::Down, SPREAD_MIN).min(figure);
        up.saturating_add(down) >= SPREAD_MIN
    }

    /// What can be moved through a figure, up to `wanted`.
    fn flow(&self, edge: (usize, usize), way: Way, wanted: u64) -> u64 {
        let mut net = Net::of(self, edge);
        let (row, column) = (Node::Row(edge.0), Node::Column(edge.1));
        // a sum is counted with the other sign, so it goes up where a figure goes down
        let is_up = (way == Way::Up) != (self.is_one_sum(edge.0, edge.1));
        let (from, to) = if is_up { (column, row) } else { (row, column) };
        let mut moved = 0_u64;
        while moved < wanted {
            let more = net.augment(from, to, wanted.saturating_sub(moved));
            if more == 0 {
                break;
            }
            moved = moved.saturating_add(more);
        }
        moved
    }

    /// Of a row or of a column; the sum of all is a sum of sums and has the sign of a figure.
    fn is_one_sum(&self, row: usize, column: usize) -> bool {
        (row == self.rows_count) != (column == self.columns_count)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Row(usize),
    Column(usize),
}

/// What can still flow between rows and columns over withheld figures. Over an edge from a row to
/// a column flows what its figure can grow by, the other way what it can shrink by.
struct Net {
    left: BTreeMap<Node, BTreeMap<Node, u64>>,
}

impl Net {
    /// The net of a table without one of its edges.
    fn of(table: &Table, without: (usize, usize)) -> Self {
        let mut net = Self {
            left: BTreeMap::new(),
        };
        for row in 0..=table.rows_count {
            for column in 0..=table.columns_count {
                if (row, column) == without || !table.is_withheld(row, column) {
                    continue;
                }
                let figure = table.figure(row, column);
                let (grow, shrink) = if table.is_one_sum(row, column) {
                    (figure, UNBOUNDED)
                } else {
                    (UNBOUNDED, figure)
                };
                net.add(Node::Row(row), Node::Column(column), grow);
                net.add(Node::Column(column), Node::Row(row), shrink);
            }
        }
        net
    }

    fn add(&mut self, from: Node, to: Node, amount: u64) {
        let left = self.left.entry(from).or_default().entry(to).or_default();
        *left = left.saturating_add(amount);
    }

    /// Moves up to `most` on a shortest way; gives what was moved.
    fn augment(&mut self, from: Node, to: Node, most: u64) -> u64 {
        let mut came: BTreeMap<Node, Node> = BTreeMap::from([(from, from)]);
        let mut queue = VecDeque::from([from]);
        while let Some(here) = queue.pop_front() {
            let next = self.left.get(&here).into_iter().flatten();
            for (there, _) in next.filter(|(_, left)| **left > 0) {
                if !came.contains_key(there) {
                    came.insert(*there, here);
                    queue.push_back(*there);
                }
            }
        }
        if !came.contains_key(&to) {
            return 0;
        }
        let mut way = Vec::new();
        let mut here = to;
        while let Some(before) = came.get(&here).filter(|before| **before != here) {
            way.push((*before, here));
            here = *before;
        }
        let left = |(a, b): &(Node, Node)| self.left.get(a).and_then(|l| l.get(b)).copied();
        let moved = way.iter().filter_map(left).fold(most, u64::min);
        for (a, b) in way {
            if let Some(left) = self.left.get_mut(&a).and_then(|l| l.get_mut(&b)) {
                *left = left.saturating_sub(moved);
            }
            self.add(b, a, moved);
        }
        moved
    }
}

fn sum<'a>(figures: impl Iterator<Item = &'a u64>) -> u64 {
    figures.fold(0, |sum, figure| sum.saturating_add(*figure))
}

#[cfg(test)]
mod tests;
