//! One CSV row, its cells, and what is wrong with them.

use pinion_core::units::{DecimalFault, Nanos, parse_raw};

use crate::wire::digits::{all_digits, commas};

/// Most cells in a row of any format.
const CELLS_MAX: usize = 16;

/// Why a row gives no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It cannot be read: reading stops.
    Fault {
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// It can be read and makes no sense: counted by this reason and left out.
    Reject(&'static str),
}

impl Bad {
    #[cold]
    pub(super) fn fault(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Fault { found: found.into(), expected: expected.into() }
    }
}

/// The cells of a row: the row and where its cells end. Small, because it is made anew for every row.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    row: &'a [u8],
    /// A line has at most 8 MiB, so a place fits.
    ends: [u32; CELLS_MAX],
    count: usize,
}

impl<'a> Cells<'a> {
    /// Splits at commas; `count` cells must come out.
    pub(super) fn split(row: &'a [u8], count: usize) -> Result<Self, Bad> {
        let mut ends = [0; CELLS_MAX];
        let mut found = 0;
        let mut end = |at: usize| {
            // Cells beyond the room are counted all the same: there are too many then.
            if let Some(end) = ends.get_mut(found) {
                *end = u32::try_from(at).unwrap_or(u32::MAX);
            }
            found += 1;
        };
        commas(row, &mut end);
        end(row.len());
        if found != count || found > CELLS_MAX {
            return Err(Bad::fault(
                format!("a row of {found} fields"),
                format!("{count} fields; a row may have been cut off"),
            ));
        }
        Ok(Self { row, ends, count })
    }

    /// A cell by position, empty when there is none.
    pub(super) fn get(&self, at: usize) -> &'a [u8] {
        if at >= self.count {
            return &[];
        }
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize + 1 };
        self.row.get(start..self.ends[at] as usize).unwrap_or_default()
    }

    /// A decimal, `None` for an empty cell.
    pub(super) fn decimal(&self, at: usize, name: &str) -> Result<Option<i64>, Bad> {
        let cell = self.get(at);
        match parse_raw(cell) {
            Ok(raw) => Ok(Some(raw)),
            Err(DecimalFault::Empty) => Ok(None),
            Err(DecimalFault::TooPrecise) => Err(Bad::Reject("too_precise")),
            Err(fault @ (DecimalFault::Malformed | DecimalFault::TooLarge)) => {
                Err(self.wrong(at, name, fault.expected()))
            }
        }
    }

    /// A price above zero.
    pub(super) fn price(&self, at: usize, name: &str) -> Result<i64, Bad> {
        self.decimal(at, name)?.filter(|price| *price > 0).ok_or(Bad::Reject("bad_price"))
    }

    /// A whole number from 0, `None` for an empty cell.
    pub(super) fn number(&self, at: usize, name: &str) -> Result<Option<u64>, Bad> {
        let cell = self.get(at);
        if cell.is_empty() {
            return Ok(None);
        }
        if let Some(number) = all_digits(cell) {
            return Ok(Some(number));
        }
        // Longer than any number of ours, or none at all: byte by byte.
        let number = cell.iter().try_fold(0u64, |number, byte| {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            number.checked_mul(10)?.checked_add(u64::from(digit))
        });
        number.map(Some).ok_or_else(|| self.wrong(at, name, "a whole number"))
    }

    /// A time, `None` for an empty cell. `unit_ns` is what one of the cell's units lasts.
    pub(super) fn time(&self, at: usize, name: &str, unit_ns: i64) -> Result<Option<Nanos>, Bad> {
        let Some(number) = self.number(at, name)? else { return Ok(None) };
        i64::try_from(number)
            .ok()
            .and_then(|number| number.checked_mul(unit_ns))
            .map(|ns| Some(Nanos::new(ns)))
            .ok_or_else(|| self.wrong(at, name, "a time before the year 2262"))
    }

    #[cold]
    pub(super) fn wrong(&self, at: usize, name: &str, expected: &str) -> Bad {
        const SHOWN: usize = 40;
        let cell = self.get(at);
        let shown = String::from_utf8_lossy(&cell[..cell.len().min(SHOWN)]);
        Bad::fault(format!("field {name} is `{shown}`"), expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_say_what_is_wrong_with_them() {
        let cells = Cells::split(b"Q,,NaN,-1,0.000000001,99999999999999999999", 6).expect("six");
        assert_eq!(cells.decimal(1, "bid"), Ok(None));
        assert_eq!(cells.price(1, "bid"), Err(Bad::Reject("bad_price")));
        assert_eq!(cells.price(3, "bid"), Err(Bad::Reject("bad_price")));
        assert_eq!(cells.decimal(4, "bid"), Err(Bad::Reject("too_precise")));
        let fault = |bad: Bad| match bad {
            Bad::Fault { found, .. } => found,
            Bad::Reject(reason) => reason.into(),
        };
        assert_eq!(fault(cells.decimal(2, "bid").expect_err("NaN")), "field bid is `NaN`");
        assert_eq!(fault(cells.number(3, "id").expect_err("-1")), "field id is `-1`");
        let id = "field id is `99999999999999999999`";
        assert_eq!(fault(cells.number(5, "id").expect_err("too large")), id);
    }

    #[test]
    fn a_row_has_its_number_of_cells() {
        let many = b"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18";
        for (row, count, found) in [(b"a,b".as_slice(), 3, 2), (b"a,b,c", 2, 3), (many, 8, 18)] {
            let Err(Bad::Fault { found: said, .. }) = Cells::split(row, count) else {
                panic!("{row:?}")
            };
            assert_eq!(said, format!("a row of {found} fields"));
        }
        assert_eq!(Cells::split(b",,", 3).expect("three").get(2), b"");
    }
}
