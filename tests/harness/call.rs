//! Any method of any service, put through every transport, and one form of answer.

use std::net::SocketAddr;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use bytes::{Buf, BufMut};
use serde_json::Value;
use tonic::{
    Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    metadata::{MetadataKey, MetadataValue},
};

use crate::{
    ask::{CONNECT_CODES, Detail, Door, json_detail, percent_decode, proto_detail, status_details},
    http::{Reply, request, try_send_raw},
};

/// A call: what it is over REST, over RPC, and who makes it.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method and path over REST.
    pub rest: (&'static str, String),
    /// `service/method`.
    pub rpc: &'static str,
    /// The whole message as JSON. Over REST the path wins over what it says of ids.
    pub json: Value,
    /// The whole message as protobuf.
    pub proto: Vec<u8>,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
}

impl Call {
    /// A call with this token.
    pub fn new(
        rest: (&'static str, String),
        rpc: &'static str,
        token: &str,
        json: Value,
        message: &impl prost::Message,
    ) -> Self {
        Self {
            rest,
            rpc,
            json,
            proto: message.encode_to_vec(),
            headers: vec![("authorization", format!("Bearer {token}"))],
        }
    }

    /// With another header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Calls.
    pub async fn through(&self, door: Door, address: SocketAddr) -> Outcome {
        let outcome = self.try_through(door, address).await;
        outcome.expect("the server answers")
    }

    /// Calls a server that may go away: nothing if the answer did not come in whole.
    pub async fn try_through(&self, door: Door, address: SocketAddr) -> Option<Outcome> {
        match door {
            Door::Rest => {
                let reply = try_send_raw(address, &self.rest_bytes()).await?;
                Some(Outcome::from_rest(&reply))
            }
            Door::Grpc => self.grpc(address).await,
            Door::GrpcWeb => self.web(address, false).await,
            Door::GrpcWebText => self.web(address, true).await,
            Door::ConnectJson => {
                let body = self.json.to_string().into_bytes();
                self.connect(address, "application/json", &body).await
            }
            Door::ConnectProto => {
                let body = &self.proto;
                self.connect(address, "application/proto", body).await
            }
        }
    }

    /// The request over REST, to its last byte.
    pub fn rest_bytes(&self) -> Vec<u8> {
        let body = match self.rest.0 {
            "GET" | "DELETE" => String::new(),
            _ => self.json.to_string(),
        };
        let (method, path) = (self.rest.0, &self.rest.1);
        request(method, path, &self.headers(), body.as_bytes())
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (*name, &**value)).collect()
    }

    fn path(&self) -> String {
        format!("/{}", self.rpc)
    }

    async fn connect(
        &self,
        address: SocketAddr,
        content_type: &str,
        body: &[u8],
    ) -> Option<Outcome> {
        let mut headers = self.headers();
        headers.push(("content-type", content_type));
        let request = request("POST", &self.path(), &headers, body);
        let reply = try_send_raw(address, &request).await?;
        Some(Outcome::from_connect(&reply))
    }

    async fn web(&self, address: SocketAddr, text: bool) -> Option<Outcome> {
        let mut body = vec![0];
        body.extend_from_slice(&u32::try_from(self.proto.len()).unwrap().to_be_bytes());
        body.extend_from_slice(&self.proto);
        let mut headers = self.headers();
        let kind = if text {
            body = STANDARD.encode(body).into_bytes();
            "application/grpc-web-text"
        } else {
            "application/grpc-web+proto"
        };
        headers.extend([("content-type", kind), ("x-grpc-web", "1")]);
        let request = request("POST", &self.path(), &headers, &body);
        let mut reply = try_send_raw(address, &request).await?;
        if text {
            reply.body = STANDARD.decode(&reply.body).expect("base64");
        }
        Some(Outcome::from_web(&reply))
    }

    async fn grpc(&self, address: SocketAddr) -> Option<Outcome> {
        let channel = tonic::transport::Channel::from_shared(format!("http://{address}"))
            .expect("an address")
            .connect()
            .await
            .ok()?;
        let mut request = tonic::Request::new(self.proto.clone());
        for (name, value) in self.headers() {
            let name = MetadataKey::from_bytes(name.as_bytes()).expect("a name");
            let value = MetadataValue::try_from(value).expect("an ASCII value");
            request.metadata_mut().insert(name, value);
        }
        let mut client = Grpc::new(channel);
        client.ready().await.ok()?;
        let path = PathAndQuery::try_from(self.path()).expect("a path");
        match client.unary(request, path, Raw).await {
            Ok(response) => Some(Outcome::success(Body::Proto(response.into_inner()))),
            // What the client itself has to say comes from an error of its connection.
            Err(status) if std::error::Error::source(&status).is_some() => None,
            Err(status) => Some(Outcome {
                code: i64::from(i32::from(status.code())),
                message: status.message().to_owned(),
                details: status_details(status.details()),
                http: None,
                body: Body::None,
            }),
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The gRPC code; 0 is success.
    pub code: i64,
    /// The message of a refusal.
    pub message: String,
    /// The details of a refusal, in order.
    pub details: Vec<Detail>,
    /// The HTTP status, where the transport uses it.
    pub http: Option<u16>,
    /// What a success says.
    pub body: Body,
}

/// A response.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "tests match on all of them")]
pub enum Body {
    /// As REST and Connect send it.
    Json(Value),
    /// A refusal has none.
    None,
    /// As the other transports send it.
    Proto(Vec<u8>),
}

impl Outcome {
    /// The id of the first detail.
    pub fn id(&self) -> Option<&str> {
        match self.details.first() {
            Some(Detail::Error(id, _) | Detail::Credentials(id, ..)) => Some(id),
            _ => None,
        }
    }

    /// The failed attempts that the first detail tells.
    pub fn failed_attempts(&self) -> Option<i32> {
        match self.details.first() {
            Some(Detail::Credentials(_, _, failed)) => Some(*failed),
            _ => None,
        }
    }

    /// The response as a message, whichever form it has.
    pub fn message<M: prost::Message + Default>(&self, from_json: impl Fn(&Value) -> M) -> M {
        match &self.body {
            Body::Json(json) => from_json(json),
            Body::Proto(bytes) => M::decode(&**bytes).expect("a response"),
            Body::None => panic!("refused: {self:?}"),
        }
    }

    fn success(body: Body) -> Self {
        Self {
            code: 0,
            message: String::new(),
            details: Vec::new(),
            http: None,
            body,
        }
    }

    fn from_rest(reply: &Reply) -> Self {
        let json = reply.json();
        if reply.status < 300 {
            return Self {
                http: Some(reply.status),
                ..Self::success(Body::Json(json))
            };
        }
        let details = json["details"].as_array().into_iter().flatten();
        Self {
            code: json["code"].as_i64().expect("a code"),
            message: json["message"].as_str().expect("a message").to_owned(),
            details: details.map(json_detail).collect(),
            http: Some(reply.status),
            body: Body::None,
        }
    }

    fn from_connect(reply: &Reply) -> Self {
        if reply.status == 200 {
            let body = match reply.header("content-type") {
                Some("application/json") => Body::Json(reply.json()),
                _ => Body::Proto(reply.body.clone()),
            };
            return Self {
                http: Some(200),
                ..Self::success(body)
            };
        }
        let json = reply.json();
        let details = json["details"].as_array().into_iter().flatten();
        let details = details.map(|detail| {
            let value = detail["value"].as_str().expect("a value");
            let value = STANDARD_NO_PAD.decode(value).expect("base64");
            proto_detail(detail["type"].as_str().expect("a type"), &value)
        });
        let name = json["code"].as_str().expect("a code");
        let code = CONNECT_CODES.iter().find(|(known, _)| *known == name);
        Self {
            code: code.expect("a known code").1,
            message: json["message"].as_str().unwrap_or_default().to_owned(),
            details: details.collect(),
            http: Some(reply.status),
            body: Body::None,
        }
    }

    fn from_web(reply: &Reply) -> Self {
        let (mut rest, mut message, mut trailers) = (&*reply.body, None, String::new());
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
            let payload = &rest[5..5 + length];
            if rest[0] & 0x80 == 0 {
                message = Some(payload.to_vec());
            } else {
                trailers = String::from_utf8_lossy(payload).into_owned();
            }
            rest = &rest[5 + length..];
        }
        let trailer = |wanted: &str| {
            let mut lines = trailers
                .split("\r\n")
                .filter_map(|line| line.split_once(':'));
            let found = lines.find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value.trim().to_owned())
        };
        let code = trailer("grpc-status").expect("a status");
        if code == "0" {
            return Self::success(Body::Proto(message.expect("a message")));
        }
        let details = trailer("grpc-status-details-bin").map(|value| {
            let value = STANDARD_NO_PAD.decode(value).expect("base64");
            status_details(&value)
        });
        Self {
            code: code.parse().expect("a number"),
            message: percent_decode(&trailer("grpc-message").unwrap_or_default()),
            details: details.unwrap_or_default(),
            http: None,
            body: Body::None,
        }
    }
}

/// Messages as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}
