//! One question, put through any transport, and one form of answer.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use prost::Message;
use tokio::task::JoinSet;
use tonic::metadata::MetadataValue;
use zitadel::api::zitadel::management::v1::{
    SetHumanInitialPasswordRequest, SetHumanInitialPasswordResponse, SetHumanPasswordRequest,
    SetHumanPasswordResponse, management_service_client::ManagementServiceClient,
};

use crate::http::{Reply, post};

/// A transport and its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests match on all of them")]
pub enum Door {
    /// Connect with JSON.
    ConnectJson,
    /// Connect with protobuf.
    ConnectProto,
    /// gRPC over HTTP/2, through a tonic client.
    Grpc,
    /// gRPC-Web, binary, over HTTP/1.1.
    GrpcWeb,
    /// gRPC-Web, text, over HTTP/1.1.
    GrpcWebText,
    /// REST over HTTP/1.1.
    Rest,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Rest,
        Self::Grpc,
        Self::GrpcWeb,
        Self::GrpcWebText,
        Self::ConnectJson,
        Self::ConnectProto,
    ];
}

/// Which endpoint is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests match on all of them")]
pub enum Method {
    /// `SetHumanPassword`
    Set,
    /// `SetHumanInitialPassword`
    SetInitial,
}

impl Method {
    /// The RPC's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Set => "SetHumanPassword",
            Self::SetInitial => "SetHumanInitialPassword",
        }
    }

    fn path(self) -> String {
        format!("/zitadel.management.v1.ManagementService/{}", self.name())
    }
}

/// A question.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Which endpoint.
    pub method: Method,
    /// The user's id.
    pub user: String,
    /// The new password.
    pub password: String,
    /// The flag; only [`Method::Set`] has it.
    pub no_change_required: bool,
    /// The whole `authorization` header.
    pub authorization: Option<String>,
    /// The `x-zitadel-orgid` header.
    pub org: Option<String>,
    /// The `x-portcullis-operation-id` header.
    pub operation: Option<String>,
}

impl Ask {
    /// A good password for this user, asked for with this token.
    pub fn new(user: &str, token: &str) -> Self {
        Self {
            method: Method::Set,
            user: user.to_owned(),
            password: "Secret-1234".to_owned(),
            no_change_required: false,
            authorization: Some(format!("Bearer {token}")),
            org: None,
            operation: None,
        }
    }

    /// Another password.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// Another organisation than the caller's own.
    #[must_use]
    pub fn org(mut self, org: &str) -> Self {
        self.org = Some(org.to_owned());
        self
    }

    /// Another endpoint.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// A named operation.
    #[must_use]
    pub fn operation(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Another `authorization` header, or none.
    #[must_use]
    pub fn authorization(mut self, header: Option<&str>) -> Self {
        self.authorization = header.map(str::to_owned);
        self
    }

    /// Asks through all doors at once.
    pub async fn everywhere(&self, address: SocketAddr) -> Vec<(Door, Answer)> {
        let asking = Door::ALL.map(|door| {
            let ask = self.clone();
            async move { (door, ask.through(door, address).await) }
        });
        let asking: JoinSet<_> = asking.into_iter().collect();
        asking.join_all().await
    }

    /// Asks.
    pub async fn through(&self, door: Door, address: SocketAddr) -> Answer {
        match door {
            Door::Rest => self.rest(address).await,
            Door::Grpc => self.grpc(address).await,
            Door::GrpcWeb => self.web(address, false).await,
            Door::GrpcWebText => self.web(address, true).await,
            Door::ConnectJson => {
                let body = self.json(true).to_string().into_bytes();
                self.connect(address, "application/json", body).await
            }
            Door::ConnectProto => {
                self.connect(address, "application/proto", self.proto())
                    .await
            }
        }
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let optional = [
            ("authorization", &self.authorization),
            ("x-zitadel-orgid", &self.org),
            ("x-portcullis-operation-id", &self.operation),
        ];
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
            .collect()
    }

    fn json(&self, with_user: bool) -> serde_json::Value {
        let mut json = serde_json::json!({"password": self.password});
        if with_user {
            json["userId"] = self.user.clone().into();
        }
        if self.method == Method::Set {
            json["noChangeRequired"] = self.no_change_required.into();
        }
        json
    }

    fn proto(&self) -> Vec<u8> {
        match self.method {
            Method::Set => self.set_request().encode_to_vec(),
            Method::SetInitial => self.initial_request().encode_to_vec(),
        }
    }

    fn set_request(&self) -> SetHumanPasswordRequest {
        SetHumanPasswordRequest {
            user_id: self.user.clone(),
            password: self.password.clone(),
            no_change_required: self.no_change_required,
        }
    }

    fn initial_request(&self) -> SetHumanInitialPasswordRequest {
        SetHumanInitialPasswordRequest {
            user_id: self.user.clone(),
            password: self.password.clone(),
        }
    }

    async fn rest(&self, address: SocketAddr) -> Answer {
        let id: String = self
            .user
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        let path = match self.method {
            Method::Set => format!("/management/v1/users/{id}/password"),
            Method::SetInitial => format!("/management/v1/users/{id}/password/_initialize"),
        };
        let reply = post(
            address,
            &path,
            &self.headers(),
            self.json(false).to_string(),
        )
        .await;
        Answer::from_rest(&reply)
    }

    async fn connect(&self, address: SocketAddr, content_type: &str, body: Vec<u8>) -> Answer {
        let mut headers = self.headers();
        headers.push(("content-type", content_type));
        let reply = post(address, &self.method.path(), &headers, body).await;
        Answer::from_connect(&reply)
    }

    async fn web(&self, address: SocketAddr, text: bool) -> Answer {
        let message = self.proto();
        let mut body = vec![0];
        body.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        body.extend_from_slice(&message);
        let kind = if text {
            "application/grpc-web-text"
        } else {
            "application/grpc-web+proto"
        };
        let mut headers = self.headers();
        headers.extend([("content-type", kind), ("x-grpc-web", "1")]);
        if text {
            body = STANDARD.encode(body).into_bytes();
        }
        let mut reply = post(address, &self.method.path(), &headers, body).await;
        if text {
            reply.body = STANDARD.decode(&reply.body).expect("base64");
        }
        Answer::from_web(&reply)
    }

    async fn grpc(&self, address: SocketAddr) -> Answer {
        let channel = tonic::transport::Channel::from_shared(format!("http://{address}"))
            .expect("an address")
            .connect()
            .await
            .expect("the server accepts");
        let mut client = ManagementServiceClient::new(channel);
        match self.method {
            Method::Set => {
                let result = client
                    .set_human_password(self.with_metadata(self.set_request()))
                    .await;
                Answer::from_grpc(result, |response| response.details)
            }
            Method::SetInitial => {
                let request = self.with_metadata(self.initial_request());
                let result = client.set_human_initial_password(request).await;
                Answer::from_grpc(result, |response| response.details)
            }
        }
    }

    fn with_metadata<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        for (name, value) in self.headers() {
            let name = tonic::metadata::MetadataKey::from_bytes(name.as_bytes()).expect("a name");
            let value = MetadataValue::try_from(value).expect("an ASCII value");
            request.metadata_mut().insert(name, value);
        }
        request
    }
}

/// An answer, the same for every transport that says the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The gRPC code; 0 is success.
    pub code: i64,
    /// The message of a refusal.
    pub message: String,
    /// The details of a refusal, in order.
    pub details: Vec<Detail>,
    /// The sequence of a success.
    pub sequence: Option<u64>,
    /// The owner of a success.
    pub owner: Option<String>,
    /// The change date of a success, in seconds since 1970 and nanoseconds.
    pub date: Option<(i64, i32)>,
    /// The operation id of the response.
    pub operation: Option<String>,
    /// The HTTP status, where the transport uses it.
    pub http: Option<u16>,
    /// The `retry-after` header, where there is one.
    pub retry_after: Option<String>,
}

/// A detail of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests match on all of them")]
pub enum Detail {
    /// `google.rpc.BadRequest`: field, reason and description.
    BadRequest(Vec<(String, String, String)>),
    /// `zitadel.v1.CredentialsCheckError`: id, message and failed attempts.
    Credentials(String, String, i32),
    /// `zitadel.v1.ErrorDetail`: id and message.
    Error(String, String),
    /// `google.rpc.RetryInfo`: how long to wait.
    Retry(Duration),
    /// Anything else, by its type.
    Other(String),
}

impl Answer {
    /// What has to be equal on every transport: all but the sequence, its date and the operation.
    pub fn outcome(&self) -> (i64, &str, &[Detail], Option<&str>) {
        (
            self.code,
            &self.message,
            &self.details,
            self.owner.as_deref(),
        )
    }

    /// Whether it is this refusal, with the HTTP status that goes with it through this door.
    ///
    /// REST's are grpc-gateway's; those of Connect are the same for these codes. gRPC-Web is
    /// always 200 and gRPC shows none.
    pub fn is_refused(&self, door: Door, code: i64) -> bool {
        let status = match code {
            3 | 9 => 400,
            4 => 504,
            5 => 404,
            6 => 409,
            7 => 403,
            8 => 429,
            10 => 409,
            14 => 503,
            16 => 401,
            _ => 500,
        };
        let http = match door {
            Door::Grpc => None,
            Door::GrpcWeb | Door::GrpcWebText => Some(200),
            Door::ConnectJson | Door::ConnectProto | Door::Rest => Some(status),
        };
        (self.code, self.http) == (code, http)
    }

    /// The id of the first detail.
    pub fn id(&self) -> Option<&str> {
        match self.details.first() {
            Some(Detail::Error(id, _) | Detail::Credentials(id, ..)) => Some(id),
            _ => None,
        }
    }

    fn success(reply: &Reply, details: zitadel::api::zitadel::v1::ObjectDetails) -> Self {
        Self {
            code: 0,
            message: String::new(),
            details: Vec::new(),
            sequence: Some(details.sequence),
            date: date(&details),
            owner: Some(details.resource_owner),
            operation: reply.header("x-portcullis-operation-id").map(str::to_owned),
            http: Some(reply.status),
            retry_after: reply.header("retry-after").map(str::to_owned),
        }
    }

    fn refusal(reply: &Reply, code: i64, message: &str, details: Vec<Detail>) -> Self {
        Self {
            code,
            message: message.to_owned(),
            details,
            sequence: None,
            date: None,
            owner: None,
            operation: reply.header("x-portcullis-operation-id").map(str::to_owned),
            http: Some(reply.status),
            retry_after: reply.header("retry-after").map(str::to_owned),
        }
    }

    fn from_rest(reply: &Reply) -> Self {
        let json = reply.json();
        if reply.status == 200 {
            return Self::success(reply, details_of_json(&json));
        }
        let details = json["details"]
            .as_array()
            .into_iter()
            .flatten()
            .map(json_detail)
            .collect();
        let code = json["code"].as_i64().expect("a code");
        Self::refusal(
            reply,
            code,
            json["message"].as_str().expect("a message"),
            details,
        )
    }

    fn from_connect(reply: &Reply) -> Self {
        if reply.status == 200 {
            let details = if reply.header("content-type") == Some("application/json") {
                details_of_json(&reply.json())
            } else {
                let response = SetHumanPasswordResponse::decode(&*reply.body).expect("a response");
                response.details.expect("details")
            };
            return Self::success(reply, details);
        }
        let json = reply.json();
        let details = json["details"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|detail| {
                let value = detail["value"].as_str().expect("a value");
                let value = base64::engine::general_purpose::STANDARD_NO_PAD.decode(value);
                proto_detail(
                    detail["type"].as_str().expect("a type"),
                    &value.expect("base64"),
                )
            });
        let name = json["code"].as_str().expect("a code");
        let code = CONNECT_CODES
            .iter()
            .find(|(known, _)| *known == name)
            .expect("a known code")
            .1;
        let message = json["message"].as_str().unwrap_or_default();
        Self::refusal(reply, code, message, details.collect())
    }

    fn from_web(reply: &Reply) -> Self {
        let mut rest = &*reply.body;
        let mut message = None;
        let mut trailers = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
            let payload = &rest[5..5 + length];
            if rest[0] & 0x80 == 0 {
                message = Some(payload);
            } else {
                trailers.extend(String::from_utf8_lossy(payload).split("\r\n").filter_map(
                    |line| {
                        let (name, value) = line.split_once(':')?;
                        Some((name.to_owned(), value.trim().to_owned()))
                    },
                ));
            }
            rest = &rest[5 + length..];
        }
        let trailer = |wanted: &str| {
            let found = trailers.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.clone())
        };
        let code = trailer("grpc-status")
            .expect("a status")
            .parse()
            .expect("a number");
        if code == 0 {
            let response = SetHumanPasswordResponse::decode(message.expect("a message"));
            return Self::success(
                reply,
                response.expect("a response").details.expect("details"),
            );
        }
        let text = percent_decode(&trailer("grpc-message").unwrap_or_default());
        let details = trailer("grpc-status-details-bin").map(|value| {
            let value = base64::engine::general_purpose::STANDARD_NO_PAD.decode(value);
            status_details(&value.expect("base64"))
        });
        Self::refusal(reply, code, &text, details.unwrap_or_default())
    }

    fn from_grpc<T>(
        result: Result<tonic::Response<T>, tonic::Status>,
        details: impl FnOnce(T) -> Option<zitadel::api::zitadel::v1::ObjectDetails>,
    ) -> Self {
        let (metadata, success, status) = match result {
            Ok(response) => {
                let metadata = response.metadata().clone();
                (metadata, details(response.into_inner()), None)
            }
            Err(status) => (status.metadata().clone(), None, Some(status)),
        };
        let operation = metadata.get("x-portcullis-operation-id");
        let operation = operation.map(|id| id.to_str().expect("ASCII").to_owned());
        Self {
            code: status
                .as_ref()
                .map_or(0, |status| i64::from(i32::from(status.code()))),
            message: status
                .as_ref()
                .map(|status| status.message().to_owned())
                .unwrap_or_default(),
            details: status
                .map(|status| status_details(status.details()))
                .unwrap_or_default(),
            sequence: success.as_ref().map(|details| details.sequence),
            date: success.as_ref().and_then(date),
            owner: success.map(|details| details.resource_owner),
            operation,
            http: None,
            retry_after: None,
        }
    }
}

/// Both responses have one shape; this keeps the other one honest.
const _: fn(SetHumanInitialPasswordResponse) -> SetHumanPasswordResponse =
    |response| SetHumanPasswordResponse {
        details: response.details,
    };

pub(crate) const CONNECT_CODES: [(&str, i64); 13] = [
    ("unknown", 2),
    ("invalid_argument", 3),
    ("deadline_exceeded", 4),
    ("not_found", 5),
    ("already_exists", 6),
    ("permission_denied", 7),
    ("resource_exhausted", 8),
    ("failed_precondition", 9),
    ("aborted", 10),
    ("unimplemented", 12),
    ("internal", 13),
    ("unavailable", 14),
    ("unauthenticated", 16),
];

fn details_of_json(json: &serde_json::Value) -> zitadel::api::zitadel::v1::ObjectDetails {
    let details = &json["details"];
    zitadel::api::zitadel::v1::ObjectDetails {
        sequence: details["sequence"]
            .as_str()
            .expect("a string")
            .parse()
            .expect("a number"),
        resource_owner: details["resourceOwner"]
            .as_str()
            .expect("an owner")
            .to_owned(),
        change_date: Some(serde_json::from_value(details["changeDate"].clone()).expect("a date")),
        ..Default::default()
    }
}

fn date(details: &zitadel::api::zitadel::v1::ObjectDetails) -> Option<(i64, i32)> {
    let date = details.change_date.as_ref()?;
    Some((date.seconds, date.nanos))
}

pub(crate) fn json_detail(detail: &serde_json::Value) -> Detail {
    let text = |value: &serde_json::Value| value.as_str().expect("a string").to_owned();
    match detail["@type"].as_str().expect("a type") {
        "type.googleapis.com/zitadel.v1.ErrorDetail" => {
            Detail::Error(text(&detail["id"]), text(&detail["message"]))
        }
        "type.googleapis.com/google.rpc.BadRequest" => {
            let violations = detail["fieldViolations"].as_array().expect("violations");
            Detail::BadRequest(
                violations
                    .iter()
                    .map(|v| {
                        (
                            text(&v["field"]),
                            text(&v["reason"]),
                            text(&v["description"]),
                        )
                    })
                    .collect(),
            )
        }
        "type.googleapis.com/zitadel.v1.CredentialsCheckError" => {
            let failed = detail["failedAttempts"].as_i64().expect("a number");
            let failed = i32::try_from(failed).expect("32 bits");
            Detail::Credentials(text(&detail["id"]), text(&detail["message"]), failed)
        }
        "type.googleapis.com/google.rpc.RetryInfo" => {
            let delay = text(&detail["retryDelay"]);
            let seconds = delay.strip_suffix('s').expect("seconds").parse();
            Detail::Retry(Duration::from_secs_f64(seconds.expect("a number")))
        }
        other => Detail::Other(other.rsplit('/').next().unwrap_or(other).to_owned()),
    }
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<AnyMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyMessage {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ErrorDetail {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct CredentialsCheckError {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    failed_attempts: i32,
}

#[derive(Clone, PartialEq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct FieldViolation {
    #[prost(string, tag = "1")]
    field: String,
    #[prost(string, tag = "2")]
    description: String,
    #[prost(string, tag = "3")]
    reason: String,
}

pub(crate) fn status_details(status: &[u8]) -> Vec<Detail> {
    let status = Status::decode(status).expect("a google.rpc.Status");
    status
        .details
        .iter()
        .map(|any| proto_detail(&any.type_url, &any.value))
        .collect()
}

pub(crate) fn proto_detail(type_url: &str, value: &[u8]) -> Detail {
    match type_url.rsplit('/').next().unwrap_or(type_url) {
        "zitadel.v1.ErrorDetail" => {
            let detail = ErrorDetail::decode(value).expect("an ErrorDetail");
            Detail::Error(detail.id, detail.message)
        }
        "zitadel.v1.CredentialsCheckError" => {
            let detail = CredentialsCheckError::decode(value).expect("a CredentialsCheckError");
            Detail::Credentials(detail.id, detail.message, detail.failed_attempts)
        }
        "google.rpc.BadRequest" => {
            let detail = BadRequest::decode(value).expect("a BadRequest");
            let violations = detail.field_violations.into_iter();
            Detail::BadRequest(
                violations
                    .map(|v| (v.field, v.reason, v.description))
                    .collect(),
            )
        }
        "google.rpc.RetryInfo" => {
            let detail = RetryInfo::decode(value).expect("a RetryInfo");
            let delay = detail.retry_delay.expect("a delay");
            let (seconds, nanos) = (u64::try_from(delay.seconds), u32::try_from(delay.nanos));
            Detail::Retry(Duration::new(
                seconds.expect("forward"),
                nanos.expect("forward"),
            ))
        }
        other => Detail::Other(other.to_owned()),
    }
}

pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(&tail[..2]).expect("two digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}
