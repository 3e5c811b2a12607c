//! Requests in proto3 JSON, as grpc-gateway reads them (contract sections 1.3 and 11.14).
//!
//! The password is taken from the borrowed text of the body straight into memory that is wiped:
//! a general decoder would unescape it into a buffer of its own, and its errors repeat input.

use std::{borrow::Cow, collections::HashSet, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{Malformed, Message, Value};

/// Decodes the first JSON value of a body. Nothing but white space counts as `{}`.
pub(crate) fn decode<M: Message>(body: &[u8]) -> Result<M, Malformed> {
    let mut message = M::default();
    if body.iter().all(|byte| b" \t\r\n".contains(byte)) {
        return Ok(message);
    }
    set_all(&mut message, serde_json::Deserializer::from_slice(body))?;
    Ok(message)
}

/// Sets the fields of a message within a message.
pub(super) fn merge<M: Message>(message: &mut M, raw: &RawValue) -> Result<(), Malformed> {
    set_all(message, serde_json::Deserializer::from_str(raw.get()))
}

fn set_all<'de, M: Message>(
    message: &mut M,
    mut deserializer: serde_json::Deserializer<impl serde_json::de::Read<'de>>,
) -> Result<(), Malformed> {
    let members = Members::<M>(PhantomData);
    let found = members.deserialize(&mut deserializer);
    let found = found.map_err(|_| Malformed)?;
    for one_of in M::ONE_OFS {
        if found
            .iter()
            .filter(|(number, _)| one_of.contains(number))
            .count()
            > 1
        {
            return Err(Malformed);
        }
    }
    for (number, raw) in found {
        message.set(number, Value::Json(raw))?;
    }
    Ok(())
}

/// The members that are known, under either of their names, as they stand in the body. `null` is
/// the default, which is what a message begins with.
struct Members<M>(PhantomData<M>);

impl<'de, M: Message> DeserializeSeed<'de> for Members<M> {
    type Value = Vec<(u32, &'de RawValue)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, M: Message> Visitor<'de> for Members<M> {
    type Value = Vec<(u32, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::with_capacity(M::FIELDS.len());
        let mut known = HashSet::with_capacity(M::FIELDS.len());
        let mut unknown = HashSet::new();
        while let Some(Key(key)) = map.next_key()? {
            let field = M::FIELDS.iter().find(|(name, _)| is_named(&key, name));
            let Some((_, number)) = field else {
                map.next_value::<Ignored>()?;
                if !unknown.insert(key) {
                    return Err(A::Error::custom("duplicate key"));
                }
                continue;
            };
            if !known.insert(*number) {
                return Err(A::Error::custom("duplicate field"));
            }
            let raw: &RawValue = map.next_value()?;
            if raw.get() != "null" {
                found.push((*number, raw));
            }
        }
        Ok(found)
    }
}

/// Whether a key is the field's name in the `.proto` file, or the same in lowerCamelCase.
pub(super) fn is_named(key: &str, name: &str) -> bool {
    if key == name {
        return true;
    }
    let mut key = key.bytes();
    let mut is_after_underscore = false;
    for byte in name.bytes() {
        if byte == b'_' {
            is_after_underscore = true;
            continue;
        }
        let expected = if is_after_underscore {
            byte.to_ascii_uppercase()
        } else {
            byte
        };
        is_after_underscore = false;
        if key.next() != Some(expected) {
            return false;
        }
    }
    key.next().is_none()
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value that nobody wants. Unlike serde's, it is bounded in depth and refuses duplicate keys.
struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IgnoredVisitor)
    }
}

struct IgnoredVisitor;

impl<'de> Visitor<'de> for IgnoredVisitor {
    type Value = Ignored;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Ignored, E> {
        Ok(Ignored)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Ignored, E> {
        Ok(Ignored)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Ignored, E> {
        Ok(Ignored)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Ignored, E> {
        Ok(Ignored)
    }

    fn visit_str<E>(self, _: &str) -> Result<Ignored, E> {
        Ok(Ignored)
    }

    fn visit_unit<E>(self) -> Result<Ignored, E> {
        Ok(Ignored)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ignored, A::Error> {
        while seq.next_element::<Ignored>()?.is_some() {}
        Ok(Ignored)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ignored, A::Error> {
        let mut keys = HashSet::new();
        while let Some(Key(key)) = map.next_key()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("duplicate key"));
            }
            map.next_value::<Ignored>()?;
        }
        Ok(Ignored)
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, Malformed> {
    match text {
        "false" => Ok(false),
        "true" => Ok(true),
        _ => Err(Malformed),
    }
}

/// A whole number, which may stand in quotation marks and may be written as a fraction or power.
pub(super) fn number(text: &str) -> Result<u64, Malformed> {
    let quoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let text = quoted.unwrap_or(text);
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Malformed);
    }
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    /// Up to here every whole number is one of `f64` as well.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.parse().map_err(|_| Malformed)?;
    if number.fract() != 0.0 || !(0.0..=EXACT).contains(&number) {
        return Err(Malformed);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above"
    )]
    Ok(number as u64)
}

/// The seconds of a duration, the last one begun included, such as `3600s` or `1.5s`.
pub(super) fn seconds(text: &str) -> Result<i64, Malformed> {
    let text = text.strip_suffix('s').ok_or(Malformed)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole.strip_prefix('-').unwrap_or(whole)) || !digits(fraction) {
        return Err(Malformed);
    }
    let seconds: i64 = whole.parse().map_err(|_| Malformed)?;
    let is_begun = fraction.bytes().any(|digit| digit != b'0');
    Ok(seconds.saturating_add(i64::from(is_begun && !whole.starts_with('-'))))
}

/// The text of a JSON string.
pub(super) fn string(raw: &RawValue) -> Result<Zeroizing<String>, Malformed> {
    let quoted = raw.get().strip_prefix('"');
    let quoted = quoted.and_then(|raw| raw.strip_suffix('"'));
    unescape(quoted.ok_or(Malformed)?)
}

/// Resolves the escapes of RFC 8259, section 7. No escape grows, so one allocation is enough.
fn unescape(mut rest: &str) -> Result<Zeroizing<String>, Malformed> {
    let mut text = Zeroizing::new(String::with_capacity(rest.len()));
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut characters = escaped.chars();
        let (character, length) = match characters.next().ok_or(Malformed)? {
            'b' => ('\u{8}', 1),
            'f' => ('\u{c}', 1),
            'n' => ('\n', 1),
            'r' => ('\r', 1),
            't' => ('\t', 1),
            'u' => unicode(escaped)?,
            quoted @ ('"' | '\\' | '/') => (quoted, 1),
            _ => return Err(Malformed),
        };
        text.push(character);
        rest = escaped.get(length..).ok_or(Malformed)?;
    }
    text.push_str(rest);
    Ok(text)
}

/// `u` and four digits, or two of them as a surrogate pair. A lone surrogate is no character.
fn unicode(escaped: &str) -> Result<(char, usize), Malformed> {
    let first = code_unit(escaped.get(1..5))?;
    if let Some(character) = char::from_u32(first.into()) {
        return Ok((character, 5));
    }
    if escaped.get(5..7) != Some("\\u") {
        return Err(Malformed);
    }
    let second = code_unit(escaped.get(7..11))?;
    let mut decoded = char::decode_utf16([first, second]);
    match (decoded.next(), decoded.next()) {
        (Some(Ok(character)), None) => Ok((character, 11)),
        _ => Err(Malformed),
    }
}

fn code_unit(digits: Option<&str>) -> Result<u16, Malformed> {
    let digits = digits.ok_or(Malformed)?;
    // `from_str_radix` alone would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Malformed);
    }
    u16::from_str_radix(digits, 16).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use serde_json::{Value as Json, json};

    use super::{decode, is_named, number, seconds, unescape};
    use crate::endpoints::password::{SetHumanInitialPassword, SetHumanPassword};

    fn set(body: &str) -> Option<SetHumanPassword> {
        decode(body.as_bytes()).ok()
    }

    fn password(body: &str) -> Option<String> {
        set(body).map(|request| request.password.to_string())
    }

    #[test]
    fn unknown_numbers_of_any_size_are_skipped_or_refused_without_harm() {
        for number in [
            "1",
            "-1",
            "1.5e300",
            "18446744073709551615",
            "-9223372036854775808",
        ] {
            let body = format!(r#"{{"x":{number},"password":"p"}}"#);
            assert_eq!(password(&body).as_deref(), Some("p"), "{number}");
        }
    }

    #[test]
    fn the_initial_endpoint_does_not_know_the_flag() {
        let body = br#"{"noChangeRequired":"whatever","password":"p"}"#;
        assert!(decode::<SetHumanInitialPassword>(body).is_ok());
        assert!(decode::<SetHumanPassword>(body).is_err());
    }

    #[test]
    fn a_key_is_known_by_two_names_and_no_third() {
        for key in ["no_change_required", "noChangeRequired"] {
            assert!(is_named(key, "no_change_required"), "{key}");
        }
        for key in [
            "nochangerequired",
            "noChange_required",
            "noChangeRequire",
            "noChangeRequired_",
            "",
        ] {
            assert!(!is_named(key, "no_change_required"), "{key}");
        }
    }

    #[test]
    fn numbers_are_whole() {
        for (text, expected) in [
            ("0", 0),
            ("\"8\"", 8),
            ("1e2", 100),
            ("72.0", 72),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(number(text).ok(), Some(expected), "{text}");
        }
        for text in [
            "-1",
            "1.5",
            "\"\"",
            "true",
            "1e300",
            "18446744073709551616",
            "\"+1\"",
            "null",
        ] {
            assert!(number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_end_in_s() {
        for (text, expected) in [
            ("3600s", 3600),
            ("1.5s", 2),
            ("0.001s", 1),
            ("1.0s", 1),
            ("-2s", -2),
            ("0s", 0),
        ] {
            assert_eq!(seconds(text).ok(), Some(expected), "{text}");
        }
        for text in ["", "s", "1", "1.s", ".5s", "+1s", "1e3s", "--1s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_survives(text in any::<String>(), user in any::<String>()) {
            let body = json!({"password": text, "userId": user}).to_string();
            let request = set(&body).unwrap();
            prop_assert_eq!((request.user_id, request.password.to_string()), (user, text));
        }

        #[test]
        fn escapes_mean_what_serde_says(escaped in r#"([a-z]|\\[bfnrtux"\\/]|[0-9a-fD8C]|\\u[0-9aAdDcC8]{4}){0,12}"#) {
            let quoted = format!("\"{escaped}\"");
            // A quotation mark inside ends the text early: that is the tokenizer's business.
            if let Ok(Json::String(expected)) = serde_json::from_str(&quoted) {
                let text = unescape(&escaped).map(|text| text.to_string());
                prop_assert_eq!(text.ok(), Some(expected));
            } else if !escaped.contains('"') {
                prop_assert!(unescape(&escaped).is_err());
            }
        }

        #[test]
        fn bytes_never_panic(bytes in any::<Vec<u8>>()) {
            let _ = decode::<SetHumanPassword>(&bytes);
        }
    }
}
