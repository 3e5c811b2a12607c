//! The `zitadel` crate, a client that other people wrote, used as its documentation says.

use portcullis_tests::{ADMIN, Server};
use tonic::{Request, Status};
use zitadel::api::{
    clients::ClientBuilder,
    zitadel::management::v1::{SetHumanInitialPasswordRequest, SetHumanPasswordRequest},
};

#[tokio::test(flavor = "multi_thread")]
async fn sets_both_passwords_and_reads_an_error() {
    let server = Server::start().await;
    let with_token = |mut request: Request<()>| -> Result<Request<()>, Status> {
        let token = format!("Bearer {ADMIN}").parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        Ok(request)
    };
    let mut client = ClientBuilder::new(&format!("http://{}", server.address))
        .with_interceptor(with_token)
        .build_management_client()
        .await
        .unwrap();
    let set = |password: &str| SetHumanPasswordRequest {
        user_id: "42".to_owned(),
        password: password.to_owned(),
        no_change_required: true,
    };
    let response = client.set_human_password(set("Secret-1234")).await.unwrap();
    let details = response.into_inner().details.unwrap();
    assert_eq!(
        (details.sequence, details.creation_date.is_none()),
        (2, true)
    );
    assert!(details.change_date.is_some());

    let (user_id, password) = ("42".to_owned(), "Geheim-9876".to_owned());
    let initial = SetHumanInitialPasswordRequest { user_id, password };
    let response = client.set_human_initial_password(initial).await.unwrap();
    assert_eq!(response.into_inner().details.unwrap().sequence, 3);

    let status = client.set_human_password(set("short")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert_eq!(status.message(), "Password is too short (DOMAIN-HuJf6)");
}
