//! Rows of numbers, one after another in memory.

use std::fmt;
use std::ops::Index;

/// Rows that are usually alike, such as scores `[N, C]`, and need not be, such as lists of labels.
///
/// Made from arrays or vectors (`Rows::from([[1.0, 2.0], [3.0, 4.0]])`), from an iterator of rows, or from numbers that already lie one row
/// after another ([`Rows::of_width`]).
#[derive(Clone, PartialEq)]
pub struct Rows<V> {
    values: Vec<V>,
    ends: Vec<usize>, // of each row in the values
}

impl<V> Rows<V> {
    /// Numbers that lie one row after another, without copying them. Where they are not a multiple of the width, the last row is shorter.
    ///
    /// Panics if the width is 0.
    pub fn of_width(width: usize, values: Vec<V>) -> Rows<V> {
        assert!(width > 0, "rows of width 0 cannot be counted; use Rows::from");
        let count = values.len() / width + usize::from(values.len() % width > 0);
        let ends = (1..=count).map(|row| (row * width).min(values.len())).collect();
        Rows { values, ends }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = V>) {
        self.values.extend(row);
        self.ends.push(self.values.len());
    }

    /// A row, if there are so many.
    pub fn get(&self, row: usize) -> Option<&[V]> {
        let end = *self.ends.get(row)?;
        let begin = if row == 0 { 0 } else { self.ends[row - 1] };
        Some(&self.values[begin..end])
    }

    /// The rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[V]> + '_ {
        (0..self.len()).map(|row| &self[row])
    }

    /// All numbers, row by row.
    pub fn values(&self) -> &[V] {
        &self.values
    }

    /// All numbers, row by row, without copying them.
    pub fn into_values(self) -> Vec<V> {
        self.values
    }

    /// Where each row ends among the values.
    pub(crate) fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// `[N, C]`, where all rows are as long as the first.
    pub(crate) fn shape(&self) -> Option<[usize; 2]> {
        let width = self.get(0).map_or(0, <[V]>::len);
        self.iter().all(|row| row.len() == width).then_some([self.len(), width])
    }

    /// Rows of a shape that the values have.
    pub(crate) fn shaped([count, width]: [usize; 2], values: Vec<V>) -> Rows<V> {
        debug_assert_eq!(count * width, values.len());
        Rows { values, ends: (1..=count).map(|row| row * width).collect() }
    }
}

impl<V> Default for Rows<V> {
    fn default() -> Rows<V> {
        Rows { values: Vec::new(), ends: Vec::new() }
    }
}

impl<V: fmt::Debug> fmt::Debug for Rows<V> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

impl<V> Index<usize> for Rows<V> {
    type Output = [V];

    fn index(&self, row: usize) -> &[V] {
        self.get(row).unwrap_or_else(|| panic!("there is no row {row}; there are {}", self.len()))
    }
}

impl<V, R: IntoIterator<Item = V>> FromIterator<R> for Rows<V> {
    fn from_iter<I: IntoIterator<Item = R>>(all: I) -> Rows<V> {
        let mut rows = Rows::default();
        for row in all {
            rows.push(row);
        }
        rows
    }
}

impl<V> From<Vec<Vec<V>>> for Rows<V> {
    fn from(rows: Vec<Vec<V>>) -> Rows<V> {
        rows.into_iter().collect()
    }
}

impl<V, const C: usize> From<Vec<[V; C]>> for Rows<V> {
    fn from(rows: Vec<[V; C]>) -> Rows<V> {
        rows.into_iter().collect()
    }
}

impl<V, const N: usize> From<[Vec<V>; N]> for Rows<V> {
    fn from(rows: [Vec<V>; N]) -> Rows<V> {
        rows.into_iter().collect()
    }
}

impl<V, const N: usize, const C: usize> From<[[V; C]; N]> for Rows<V> {
    fn from(rows: [[V; C]; N]) -> Rows<V> {
        rows.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_however_they_are_made() {
        let rows = Rows::from([[1, 2], [3, 4]]);
        assert_eq!(rows, Rows::from(vec![vec![1, 2], vec![3, 4]]));
        assert_eq!(rows, Rows::of_width(2, vec![1, 2, 3, 4]));
        assert_eq!(rows, (0..2).map(|n| [2 * n + 1, 2 * n + 2]).collect());
        assert_eq!((rows.shape(), &rows[1], rows.get(2)), (Some([2, 2]), &[3, 4][..], None));
        assert_eq!(format!("{rows:?}"), "[[1, 2], [3, 4]]");
    }

    #[test]
    fn uneven_rows_have_no_shape() {
        let rows = Rows::of_width(2, vec![1, 2, 3]);
        assert_eq!((rows.len(), &rows[1], rows.shape()), (2, &[3][..], None));
        assert_eq!(Rows::<f32>::default().shape(), Some([0, 0]));
        assert_eq!(Rows::from([Vec::<f32>::new(), vec![]]).shape(), Some([2, 0]));
    }
}
