//! `GET /portcullis/v1/operations/{org}/{user}/{id}`: what became of a call (contract 11.16).

use std::sync::Arc;

use axum::{
    extract::{Extension, Path, Request as HttpRequest, State},
    response::Response,
};
use http::StatusCode;
use portcullis_core::{Code, ErrorStatus, ObjectDetails, OperationId, OrgId, Permission, UserId};
use serde::Serialize;

use crate::{
    api::Shared,
    call::{Call, TimeBudget},
    details,
    endpoint::Access,
    metrics::{self, Transport},
    status::{self, json_response},
    validate::Named,
    wire::zitadel::v1,
};

const ENDPOINT: &str = "GetOperation";

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum OperationJson {
    Absent,
    Applied { details: v1::ObjectDetails },
}

/// Tells whether an operation id was applied, to a caller with `user.read`.
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    Extension(operation): Extension<Named>,
    Extension(time): Extension<TimeBudget>,
    path: Result<Path<(String, String, String)>, axum::extract::rejection::PathRejection>,
    request: HttpRequest,
) -> Response {
    let start = std::time::Instant::now();
    let headers = request.headers();
    let call = Call {
        transport: Transport::Rest,
        headers,
        operation,
        time,
    };
    let result = match path {
        Ok(Path(path)) => shared.gate.in_time(&call, find(&shared, &call, path)).await,
        Err(_) => Err(status::malformed()),
    };
    metrics::count_request(ENDPOINT, Transport::Rest, &result, start.elapsed());
    match result {
        Ok(None) => json_response(StatusCode::OK, &OperationJson::Absent),
        Ok(Some(details)) => {
            let details = details::wire(&details);
            json_response(StatusCode::OK, &OperationJson::Applied { details })
        }
        Err(status) => status::rest(&status),
    }
}

async fn find(
    shared: &Shared,
    call: &Call<'_>,
    (organisation, user, id): (String, String, String),
) -> Result<Option<ObjectDetails>, ErrorStatus> {
    let organisation = OrgId::new(organisation).map_err(|_| invalid("organisation"));
    let gate = &shared.gate;
    let caller = gate.authenticate(call.headers).await?;
    let access = Access::to(Permission::UserRead, &user);
    let proof = gate.prove(caller, Some(&organisation?), &access).await?;
    let user = UserId::new(user).map_err(|_| invalid("user"))?;
    let id: OperationId = id.parse().map_err(|_| invalid("operation"))?;
    let found = gate.service.operation(&proof, &user, id).await;
    found.map_err(|error| gate.report(&error))
}

fn invalid(what: &str) -> ErrorStatus {
    ErrorStatus::plain(Code::InvalidArgument, format!("invalid {what} id"))
}
