//! Request messages, decoded from JSON and from protobuf by one description of their fields.
//!
//! Decoders that are generated would keep copies of a password where nobody wipes them, and their
//! errors repeat input. Here both forms end in [`Message::set`], so they cannot drift either.

mod json;
mod proto;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

pub(crate) use json::decode as from_json;
pub(crate) use proto::decode as from_proto;

/// The body is no message of this type. Why is not told: the reason would repeat input.
#[derive(Debug)]
pub(crate) struct Malformed;

/// A request message. None has a `Debug`: some carry passwords.
pub(crate) trait Message: Default + Send + 'static {
    /// The names of the fields in the `.proto` file, and their numbers.
    const FIELDS: &'static [(&'static str, u32)];

    /// Sets of fields of which a message has at most one.
    const ONE_OFS: &'static [&'static [u32]] = &[];

    /// Takes the value of one field.
    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed>;

    /// Takes a parameter of the path, which wins over the body (contract section 1.1).
    fn bind(&mut self, name: &str, text: &str) -> Result<(), Malformed> {
        let field = Self::FIELDS.iter().find(|(field, _)| *field == name);
        self.set(field.ok_or(Malformed)?.1, Value::Text(text))
    }

    /// Takes a parameter of the query. Only messages that come without a body have any, and those
    /// that are not known are left alone.
    fn bind_query(&mut self, name: &str, text: &str) -> Result<(), Malformed> {
        match Self::FIELDS
            .iter()
            .find(|(field, _)| json::is_named(name, field))
        {
            Some((_, number)) => self.set(*number, Value::Text(text)),
            None => Ok(()),
        }
    }
}

/// The value of a field, as it stands in the body.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// What follows a length.
    Bytes(&'a [u8]),
    Json(&'a RawValue),
    /// From the path or the query.
    Text(&'a str),
    Varint(u64),
}

impl Value<'_> {
    /// A text that need not be wiped.
    pub(crate) fn text(self) -> Result<String, Malformed> {
        self.secret().map(|mut text| std::mem::take(&mut *text))
    }

    /// A text in memory that is wiped.
    pub(crate) fn secret(self) -> Result<Zeroizing<String>, Malformed> {
        match self {
            Self::Bytes(bytes) => {
                let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
                Ok(Zeroizing::new(text.to_owned()))
            }
            Self::Json(raw) => json::string(raw),
            Self::Text(text) => Ok(Zeroizing::new(text.to_owned())),
            Self::Varint(_) => Err(Malformed),
        }
    }

    pub(crate) fn flag(self) -> Result<bool, Malformed> {
        match self {
            Self::Varint(number) => Ok(number != 0),
            Self::Json(raw) => json::boolean(raw.get()),
            Self::Text(text) => json::boolean(text),
            Self::Bytes(_) => Err(Malformed),
        }
    }

    pub(crate) fn uint64(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(number) => Ok(number),
            Self::Json(raw) => json::number(raw.get()),
            Self::Text(text) => json::number(text),
            Self::Bytes(_) => Err(Malformed),
        }
    }

    pub(crate) fn uint32(self) -> Result<u32, Malformed> {
        match self {
            // Protobuf cuts off what is too long for the field.
            #[expect(clippy::cast_possible_truncation, reason = "that is the rule")]
            Self::Varint(number) => Ok(number as u32),
            other => other.uint64()?.try_into().map_err(|_| Malformed),
        }
    }

    /// An enumeration's number. Numbers without a name are allowed, names without a number are not.
    pub(crate) fn choice(self, names: &[(&str, i32)]) -> Result<i32, Malformed> {
        match self {
            #[expect(clippy::cast_possible_truncation, reason = "enumerations are open")]
            Self::Varint(number) => Ok(number as i32),
            Self::Json(raw) if raw.get().starts_with('"') => {
                let name = json::string(raw)?;
                let known = names.iter().find(|(known, _)| **known == **name);
                known.map(|(_, number)| *number).ok_or(Malformed)
            }
            Self::Json(raw) => raw.get().parse().map_err(|_| Malformed),
            Self::Bytes(_) | Self::Text(_) => Err(Malformed),
        }
    }

    /// A message within the message. Protobuf merges one that comes in parts.
    pub(crate) fn message<M: Message>(self, message: &mut M) -> Result<(), Malformed> {
        match self {
            Self::Bytes(bytes) => proto::merge(message, bytes),
            Self::Json(raw) => json::merge(message, raw),
            Self::Text(_) | Self::Varint(_) => Err(Malformed),
        }
    }

    /// A `google.protobuf.Duration` in whole seconds; one that is begun counts.
    pub(crate) fn seconds(self) -> Result<i64, Malformed> {
        match self {
            Self::Json(raw) => json::seconds(&json::string(raw)?),
            Self::Bytes(bytes) => {
                let mut duration = Seconds::default();
                proto::merge(&mut duration, bytes)?;
                Ok(duration.0)
            }
            Self::Text(_) | Self::Varint(_) => Err(Malformed),
        }
    }
}

#[derive(Default)]
struct Seconds(i64);

impl Message for Seconds {
    const FIELDS: &'static [(&'static str, u32)] = &[("seconds", 1), ("nanos", 2)];

    fn set(&mut self, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match number {
            1 => self.0 = self.0.saturating_add(value.uint64()?.cast_signed()),
            // What is begun counts.
            _ => self.0 = self.0.saturating_add(i64::from(value.uint64()? > 0)),
        }
        Ok(())
    }
}

/// Describes messages whose fields are all plain: `name = number: method of Value`.
macro_rules! plain_messages {
    ($($(#[$doc:meta])* $name:ident { $($field:ident = $number:literal: $type:ty, $method:ident;)* })+) => {
        $(
            $(#[$doc])*
            #[derive(Default)]
            pub(crate) struct $name {
                $(pub(crate) $field: $type,)*
            }

            impl $crate::message::Message for $name {
                const FIELDS: &'static [(&'static str, u32)] =
                    &[$((stringify!($field), $number)),*];

                fn set(
                    &mut self,
                    number: u32,
                    value: $crate::message::Value<'_>,
                ) -> Result<(), $crate::message::Malformed> {
                    match (number, value) {
                        $(($number, value) => self.$field = value.$method()?,)*
                        // Only the fields above are ever given.
                        _ => {}
                    }
                    Ok(())
                }
            }
        )+
    };
}
pub(crate) use plain_messages;
