//! Requests in proto3 JSON, as grpc-gateway reads them (contract sections 1.3 and 11.14).
//!
//! The password is taken from the borrowed text of the body straight into memory that is wiped:
//! a general decoder would unescape it into a buffer of its own, and its errors repeat input.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::command::{Endpoint, Malformed, Request};

/// Decodes the first JSON value of a body. Nothing but white space counts as `{}`.
pub(crate) fn decode(endpoint: Endpoint, body: &[u8]) -> Result<Request, Malformed> {
    if body.iter().all(|byte| b" \t\r\n".contains(byte)) {
        return Ok(Request::default());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let fields = Fields::deserialize(&mut deserializer).map_err(|_| Malformed)?;
    Ok(Request {
        user_id: string(fields.user_id)?.to_string(),
        password: string(fields.password)?,
        // A field that the other endpoint alone knows is an unknown field, of any type.
        no_change_required: endpoint.has_no_change_required()
            && boolean(fields.no_change_required)?,
    })
}

/// The members that are known, under either of their names, as they stand in the body.
#[derive(Default)]
struct Fields<'a> {
    user_id: Option<&'a RawValue>,
    password: Option<&'a RawValue>,
    no_change_required: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        let mut unknown = HashSet::new();
        while let Some(Key(key)) = map.next_key()? {
            let field = match &*key {
                "userId" | "user_id" => &mut fields.user_id,
                "password" => &mut fields.password,
                "noChangeRequired" | "no_change_required" => &mut fields.no_change_required,
                _ => {
                    map.next_value::<Ignored>()?;
                    if !unknown.insert(key) {
                        return Err(A::Error::custom("duplicate key"));
                    }
                    continue;
                }
            };
            if field.replace(map.next_value()?).is_some() {
                return Err(A::Error::custom("duplicate field"));
            }
        }
        Ok(fields)
    }
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

fn boolean(raw: Option<&RawValue>) -> Result<bool, Malformed> {
    match raw.map_or("null", RawValue::get) {
        "null" | "false" => Ok(false),
        "true" => Ok(true),
        _ => Err(Malformed),
    }
}

/// The text of a JSON string; `null` is the default, the empty text.
fn string(raw: Option<&RawValue>) -> Result<Zeroizing<String>, Malformed> {
    let raw = raw.map_or("null", RawValue::get);
    if raw == "null" {
        return Ok(Zeroizing::default());
    }
    let quoted = raw
        .strip_prefix('"')
        .and_then(|raw| raw.strip_suffix('"'))
        .ok_or(Malformed)?;
    unescape(quoted)
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
    use serde_json::{Value, json};

    use super::{Endpoint, Request, decode, unescape};

    const ENDPOINT: Endpoint = Endpoint::SetHumanPassword;

    fn password(body: &str) -> Option<String> {
        decode(ENDPOINT, body.as_bytes())
            .ok()
            .map(|request| request.password.to_string())
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
        assert!(decode(Endpoint::SetHumanInitialPassword, body).is_ok());
        assert!(decode(ENDPOINT, body).is_err());
    }

    proptest! {
        #[test]
        fn every_text_survives(text in any::<String>(), user in any::<String>()) {
            let body = json!({"password": text, "userId": user}).to_string();
            let Request { user_id, password, .. } =
                decode(ENDPOINT, body.as_bytes()).map_err(|_| "refused").unwrap();
            prop_assert_eq!((user_id, password.to_string()), (user, text));
        }

        #[test]
        fn escapes_mean_what_serde_says(escaped in r#"([a-z]|\\[bfnrtux"\\/]|[0-9a-fD8C]|\\u[0-9aAdDcC8]{4}){0,12}"#) {
            let quoted = format!("\"{escaped}\"");
            // A quotation mark inside ends the text early: that is the tokenizer's business.
            if let Ok(Value::String(expected)) = serde_json::from_str(&quoted) {
                let text = unescape(&escaped).map(|text| text.to_string());
                prop_assert_eq!(text.ok(), Some(expected));
            } else if !escaped.contains('"') {
                prop_assert!(unescape(&escaped).is_err());
            }
        }

        #[test]
        fn bytes_never_panic(bytes in any::<Vec<u8>>()) {
            let _ = decode(ENDPOINT, &bytes);
        }
    }
}
