//! Where a reader of events stands.
//!
//! In one user's events that is a sequence, in decimal. In the outbox it is a number for each
//! partition of which something was read, as `03.1f,a0.2`: partition and number in hexadecimal.

use portcullis_core::store::Cursor;

use crate::{error::Error, keys::PARTITIONS};

/// How far each partition of the outbox has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Positions([u64; PARTITIONS]);

impl Positions {
    pub(crate) fn parse(cursor: Option<&Cursor>) -> Result<Self, Error> {
        let mut positions = Self([0; PARTITIONS]);
        let Some(cursor) = cursor else {
            return Ok(positions);
        };
        let mut last = None;
        for part in cursor.as_str().split(',') {
            let (partition, number) = part.split_once('.').ok_or(Error::Cursor)?;
            let partition = u8::from_str_radix(partition, 16).map_err(|_| Error::Cursor)?;
            let number = u64::from_str_radix(number, 16).map_err(|_| Error::Cursor)?;
            if last >= Some(partition) || number == 0 {
                return Err(Error::Cursor);
            }
            positions.set(partition, number);
            last = Some(partition);
        }
        // What writes itself back differently was not written here.
        if positions.cursor().as_ref() == Some(cursor) {
            Ok(positions)
        } else {
            Err(Error::Cursor)
        }
    }

    /// None if nothing was read.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        let read = self
            .read()
            .map(|(partition, number)| format!("{partition:02x}.{number:x}"));
        let text = read.collect::<Vec<_>>().join(",");
        (!text.is_empty()).then(|| Cursor::new(text))
    }

    pub(crate) fn of(&self, partition: u8) -> u64 {
        self.0.get(usize::from(partition)).copied().unwrap_or(0)
    }

    pub(crate) fn set(&mut self, partition: u8, number: u64) {
        if let Some(position) = self.0.get_mut(usize::from(partition)) {
            *position = number;
        }
    }

    /// The partitions of which something was read.
    pub(crate) fn read(&self) -> impl Iterator<Item = (u8, u64)> {
        let all = (0..=u8::MAX).zip(self.0);
        all.filter(|(_, number)| *number > 0)
    }
}

/// The sequence after which one user's events are read on.
pub(crate) fn sequence(cursor: Option<&Cursor>) -> Result<u64, Error> {
    let Some(cursor) = cursor else {
        return Ok(0);
    };
    let sequence: u64 = cursor.as_str().parse().map_err(|_| Error::Cursor)?;
    // Lists are counted in signed numbers.
    let counted = i64::try_from(sequence).is_ok() && cursor.as_str() == sequence.to_string();
    if counted {
        Ok(sequence)
    } else {
        Err(Error::Cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_back() {
        let mut positions = Positions::parse(None).unwrap();
        assert_eq!(positions.cursor(), None);
        positions.set(3, 31);
        positions.set(255, u64::MAX);
        let cursor = positions.cursor().unwrap();
        assert_eq!(cursor.as_str(), "03.1f,ff.ffffffffffffffff");
        assert_eq!(Positions::parse(Some(&cursor)).unwrap(), positions);
    }

    #[test]
    fn nothing_else_is_a_cursor() {
        for text in [
            "",
            "17",
            ".",
            "3.1",
            "03.0",
            "03.01",
            "03.1F",
            "03.+1",
            "+3.1",
            "03.1,",
            "03.1,03.2",
            "04.1,03.1",
            "100.1",
            "03.10000000000000000",
            "03.1 ",
            "03.g",
        ] {
            assert!(
                Positions::parse(Some(&Cursor::new(text))).is_err(),
                "{text:?}"
            );
        }
        for text in [
            "",
            "-1",
            "+1",
            "01",
            "1 ",
            "1.1",
            "9223372036854775808",
            "x",
        ] {
            assert!(sequence(Some(&Cursor::new(text))).is_err(), "{text:?}");
        }
        assert_eq!(sequence(Some(&Cursor::new("17"))).unwrap(), 17);
    }
}
