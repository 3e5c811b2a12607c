//! One statement and its values, as a prepared statement or as plain text.

use std::{fmt::Write, sync::Arc};

use chrono::{Datelike, Timelike};
use portcullis_core::Timestamp;
use sqlx::{
    Arguments, AssertSqlSafe, PgConnection, SqlStr,
    postgres::{PgArguments, PgRow},
};

/// How statements reach the server.
#[derive(Debug, Clone)]
pub(crate) enum Protocol {
    /// Parsed once for each connection; values travel beside the text.
    Prepared,
    /// One message with the values in the text. The driver splits everything else into two
    /// messages, and between them a pooler may go on with another server connection, on which
    /// the prepared statement is somebody else's. Before it, in the same message and so in the
    /// same transaction, stand the settings that are otherwise those of the session.
    Simple(Arc<str>),
}

/// A statement that is ready to be sent. It holds hashes, so it is not printed.
pub(crate) struct Call {
    text: SqlStr,
    values: Vec<Value>,
}

pub(crate) enum Value {
    Bytes(Option<Vec<u8>>),
    Flag(Option<bool>),
    Moment(Option<Timestamp>),
    Number(Option<i64>),
    Small(i32),
    Text(Option<String>),
    Texts(Vec<&'static str>),
}

impl Call {
    pub(crate) fn new(text: &SqlStr) -> Self {
        Self {
            text: text.clone(),
            values: Vec::with_capacity(16),
        }
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        self.with(Value::Bytes(Some(bytes.to_vec())))
    }

    pub(crate) fn flag(self, flag: bool) -> Self {
        self.with(Value::Flag(Some(flag)))
    }

    pub(crate) fn number(self, number: impl Into<i64>) -> Self {
        self.with(Value::Number(Some(number.into())))
    }

    pub(crate) fn text(self, text: impl Into<String>) -> Self {
        self.with(Value::Text(Some(text.into())))
    }

    pub(crate) fn with(mut self, value: Value) -> Self {
        self.values.push(value);
        self
    }

    /// Sends it and reads the whole answer: only at its end has the server committed.
    pub(crate) async fn fetch(
        self,
        connection: &mut PgConnection,
        protocol: &Protocol,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        if let Protocol::Simple(settings) = protocol {
            let text = format!("{settings}{}", self.written_out());
            let query = sqlx::raw_sql(AssertSqlSafe(text));
            return query.fetch_all(connection).await;
        }
        let mut arguments = PgArguments::default();
        for value in self.values {
            value.bind(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        let query = sqlx::query_with(self.text, arguments);
        query.fetch_all(connection).await
    }

    /// The text with each `$n` replaced by its value.
    fn written_out(&self) -> String {
        let mut parts = self.text.as_str().split('$');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = part.split_at(digits);
            let value = number.parse().ok().and_then(|number: usize| {
                let index = number.checked_sub(1)?;
                self.values.get(index)
            });
            match value {
                Some(value) => value.write(&mut text),
                None => text.push_str("NULL"),
            }
            text.push_str(rest);
        }
        text
    }
}

impl Value {
    fn bind(self, arguments: &mut PgArguments) -> Result<(), sqlx::error::BoxDynError> {
        match self {
            Self::Bytes(value) => arguments.add(value),
            Self::Flag(value) => arguments.add(value),
            Self::Moment(value) => arguments.add(value),
            Self::Number(value) => arguments.add(value),
            Self::Small(value) => arguments.add(value),
            Self::Text(value) => arguments.add(value),
            Self::Texts(value) => arguments.add(value),
        }
    }

    /// Everything that could be more than a literal is written in hexadecimal digits, so nothing
    /// has to be quoted.
    fn write(&self, text: &mut String) {
        let written = match self {
            Self::Bytes(Some(bytes)) => {
                text.push_str("'\\x");
                hexadecimal(text, bytes);
                text.push_str("'::bytea");
                Ok(())
            }
            Self::Flag(Some(flag)) => write!(text, "{flag}"),
            Self::Moment(Some(moment)) => {
                let (date, time) = (moment.date_naive(), moment.time());
                write!(
                    text,
                    "make_timestamptz({}, {}, {}, {}, {}, {}.{:06}, 'UTC')",
                    date.year(),
                    date.month(),
                    date.day(),
                    time.hour(),
                    time.minute(),
                    time.second(),
                    moment.timestamp_subsec_micros(),
                )
            }
            Self::Number(Some(number)) => write!(text, "'{number}'::bigint"),
            Self::Small(number) => write!(text, "'{number}'::int"),
            Self::Text(Some(value)) => {
                literal(text, value);
                Ok(())
            }
            Self::Texts(values) => {
                text.push_str("ARRAY[");
                for (index, value) in values.iter().enumerate() {
                    text.push_str(if index > 0 { ", " } else { "" });
                    literal(text, value);
                }
                text.push_str("]::text[]");
                Ok(())
            }
            Self::Bytes(None)
            | Self::Flag(None)
            | Self::Moment(None)
            | Self::Number(None)
            | Self::Text(None) => {
                text.push_str("NULL");
                Ok(())
            }
        };
        // Writing to a string does not fail.
        debug_assert!(written.is_ok());
    }
}

fn literal(text: &mut String, value: &str) {
    text.push_str("convert_from('\\x");
    hexadecimal(text, value.as_bytes());
    text.push_str("', 'UTF8')");
}

fn hexadecimal(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 0x0f] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn values_are_written_without_anything_that_could_end_a_literal() {
        let moment = DateTime::from_timestamp_micros(1_790_000_000_000_001).unwrap();
        let call = Call::new(&SqlStr::from_static(
            "SELECT f($1, $2, $3, $4, $5, $6, $7, $8, $1)",
        ))
        .text("a'; DROP")
        .bytes(&[0x00, 0xff])
        .flag(true)
        .number(-7)
        .with(Value::Small(-1))
        .with(Value::Moment(Some(moment)))
        .with(Value::Texts(vec!["x", "y"]))
        .with(Value::Text(None));
        assert_eq!(
            call.written_out(),
            "SELECT f(convert_from('\\x61273b2044524f50', 'UTF8'), '\\x00ff'::bytea, true, \
             '-7'::bigint, '-1'::int, make_timestamptz(2026, 9, 21, 14, 13, 20.000001, 'UTC'), \
             ARRAY[convert_from('\\x78', 'UTF8'), convert_from('\\x79', 'UTF8')]::text[], NULL, \
             convert_from('\\x61273b2044524f50', 'UTF8'))"
        );
    }

    #[test]
    fn ten_parameters_are_told_from_the_first() {
        let mut call = Call::new(&SqlStr::from_static("$1 $10 $11"));
        for number in 1..=10 {
            call = call.number(number);
        }
        assert_eq!(call.written_out(), "'1'::bigint '10'::bigint NULL");
    }
}
