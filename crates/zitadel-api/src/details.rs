//! `ObjectDetails` in the wire's form.

use buffa::MessageField;
use buffa_types::google::protobuf;
use portcullis_core::{ObjectDetails, Timestamp};

use crate::wire::zitadel::v1;

/// Contract section 3.
pub(crate) fn wire(details: &ObjectDetails) -> v1::ObjectDetails {
    v1::ObjectDetails {
        sequence: details.sequence,
        creation_date: details.creation_date.map(timestamp).into(),
        change_date: details.change_date.map(timestamp).into(),
        resource_owner: details.resource_owner.as_str().to_owned(),
    }
}

fn timestamp(date: Timestamp) -> protobuf::Timestamp {
    protobuf::Timestamp {
        seconds: date.timestamp(),
        nanos: i32::try_from(date.timestamp_subsec_nanos()).unwrap_or_default(),
        ..Default::default()
    }
}

/// Both responses have the same shape; this is the member that they share.
pub(crate) fn member<P: buffa::ProtoBox<v1::ObjectDetails>>(
    details: &ObjectDetails,
) -> MessageField<v1::ObjectDetails, P> {
    MessageField::some(wire(details))
}
