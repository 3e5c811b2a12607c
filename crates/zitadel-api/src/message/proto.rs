//! Requests in protobuf's wire format.

use buffa::{
    encoding::{Tag, WireType, decode_varint, skip_field_depth},
    types::borrow_bytes,
};

use super::{Malformed, Message, Value};

/// How deep groups that nobody knows may nest.
const DEPTH: u32 = 100;

/// Decodes a message.
pub(crate) fn decode<M: Message>(bytes: &[u8]) -> Result<M, Malformed> {
    let mut message = M::default();
    merge(&mut message, bytes)?;
    Ok(message)
}

/// Sets the fields that are there; of one that is there twice the last counts.
pub(super) fn merge<M: Message>(message: &mut M, mut rest: &[u8]) -> Result<(), Malformed> {
    while !rest.is_empty() {
        let tag = Tag::decode(&mut rest).map_err(|_| Malformed)?;
        let number = tag.field_number();
        let is_known = M::FIELDS.iter().any(|(_, known)| *known == number);
        match (is_known, tag.wire_type()) {
            (true, WireType::Varint) => {
                let varint = decode_varint(&mut rest).map_err(|_| Malformed)?;
                message.set(number, Value::Varint(varint))?;
            }
            (true, WireType::LengthDelimited) => {
                let bytes = borrow_bytes(&mut rest).map_err(|_| Malformed)?;
                message.set(number, Value::Bytes(bytes))?;
            }
            (true, _) => return Err(Malformed),
            (false, _) => skip_field_depth(tag, &mut rest, DEPTH).map_err(|_| Malformed)?,
        }
    }
    Ok(())
}
