//! `ObjectDetails` in the wire's form.

use buffa::MessageField;
use buffa_types::google::protobuf;
use portcullis_core::{ObjectDetails, Timestamp};

use crate::wire::zitadel::{object::v2, v1};

/// Contract section 3.
pub(crate) fn wire(details: &ObjectDetails) -> v1::ObjectDetails {
    v1::ObjectDetails {
        sequence: details.sequence,
        creation_date: details.creation_date.map(timestamp).into(),
        change_date: details.change_date.map(timestamp).into(),
        resource_owner: details.resource_owner.as_str().to_owned(),
    }
}

pub(crate) fn timestamp(date: Timestamp) -> protobuf::Timestamp {
    protobuf::Timestamp {
        seconds: date.timestamp(),
        nanos: i32::try_from(date.timestamp_subsec_nanos()).unwrap_or_default(),
        ..Default::default()
    }
}

/// The member that responses of version 1 share.
pub(crate) fn member<P: buffa::ProtoBox<v1::ObjectDetails>>(
    details: &ObjectDetails,
) -> MessageField<v1::ObjectDetails, P> {
    MessageField::some(wire(details))
}

/// The member that responses of version 2 share.
pub(crate) fn member_v2<P: buffa::ProtoBox<v2::Details>>(
    details: &ObjectDetails,
) -> MessageField<v2::Details, P> {
    MessageField::some(v2::Details {
        sequence: details.sequence,
        change_date: details.change_date.map(timestamp).into(),
        resource_owner: details.resource_owner.as_str().to_owned(),
        creation_date: details.creation_date.map(timestamp).into(),
    })
}
