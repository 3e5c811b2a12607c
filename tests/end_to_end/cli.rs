//! The program: options, the first start, the bootstrap file, `inspect`, signals.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use portcullis_tests::{ADMIN, Ask, BOOTSTRAP, Door, ORG, Options, Server, post, run};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn help_answers() {
    let directory = TempDir::new().unwrap();
    let output = run(directory.path(), &["--help"]).await;
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for option in [
        "listen",
        "store",
        "bootstrap",
        "argon2",
        "hash-workers",
        "hash-memory",
        "hash-queue",
        "hash-wait",
        "log-format",
        "log-level",
    ] {
        let variable = format!("PORTCULLIS_{}", option.replace('-', "_").to_uppercase());
        assert!(
            text.contains(&format!("--{option}")) && text.contains(&variable),
            "{text}"
        );
    }
    assert!(text.contains("inspect"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variable_of_the_cost_may_name_a_kernel() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("good.toml"), BOOTSTRAP).unwrap();
    for (value, code) in [("portable", 1), ("m=8,t=1,p=1", 1), ("sse2", 2)] {
        let output = tokio::process::Command::new(portcullis_tests::binary())
            .args(["--bootstrap", "good.toml", "--store", "memory:"])
            .args(["--listen", "203.0.113.1:80"])
            .env("PORTCULLIS_ARGON2", value)
            .current_dir(directory.path())
            .output()
            .await
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{value}: {error}");
        let chosen = error.contains("kernel=portable");
        assert_eq!(chosen, value == "portable", "{value}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_option_exits_2_and_a_failed_start_1() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("good.toml"), BOOTSTRAP).unwrap();
    std::fs::write(
        directory.path().join("text.db"),
        "this is no database ".repeat(100),
    )
    .unwrap();
    for (arguments, code) in [
        (&["--nonsense"][..], 2),
        (&["--listen", "nowhere"], 2),
        (&["--argon2", "m=4,t=1,p=1"], 2),
        (&["--argon2", "cheap"], 2),
        (&["--hash-workers", "0"], 2),
        (&["--hash-workers", "many"], 2),
        (&["--hash-memory", "0"], 2),
        (&["--hash-memory", "18"], 2),
        (&["--hash-queue", "-1"], 2),
        (&["--hash-wait", "0"], 2),
        (&["--log-format", "xml"], 2),
        (&["--log-level", "loud"], 2),
        (
            &["--bootstrap", "good.toml", "--store", "nonsense:secret-dsn"],
            2,
        ),
        (&["--bootstrap", "absent.toml"], 1),
        (
            &[
                "--bootstrap",
                "good.toml",
                "--store",
                "sqlite:/absent/directory/x.db",
            ],
            1,
        ),
        (
            &["--bootstrap", "good.toml", "--store", "sqlite:text.db"],
            1,
        ),
        (
            &[
                "--bootstrap",
                "good.toml",
                "--store",
                "memory:",
                "--listen",
                "203.0.113.1:80",
            ],
            1,
        ),
    ] {
        let output = run(directory.path(), arguments).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains("error"), "{arguments:?}: {error}");
        assert!(
            !error.contains("secret-dsn"),
            "a store's URL is never printed: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_writes_a_demo_that_works_as_printed() {
    let mut server = Server::with(Options {
        bootstrap: None,
        ..Default::default()
    })
    .await;
    let file = server.directory().join("portcullis.toml");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(server.printed.contains("curl ") && server.printed.contains("grpcurl "));

    let printed = server.printed.clone();
    let script = printed
        .split(
            "

",
        )
        .find(|part| part.contains("curl -i"))
        .unwrap();
    let output = tokio::process::Command::new("sh")
        .args(["-c", script])
        .output()
        .await
        .unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{script}\n{answer}");

    let first = std::fs::read(&file).unwrap();
    server.kill_and_restart().await;
    assert_eq!(std::fs::read(&file).unwrap(), first, "later starts read it");
    assert_eq!(server.printed, "", "and print no commands");
    let again = tokio::process::Command::new("sh")
        .arg("-c")
        .arg(script.replace(&address_in(script), &server.address.to_string()))
        .output();
    assert!(
        String::from_utf8(again.await.unwrap().stdout)
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
}

fn address_in(script: &str) -> String {
    let start = script.find("http://").unwrap() + "http://".len();
    script[start..].split('/').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_the_file_are_named_by_line_without_repeating_secrets() {
    let directory = TempDir::new().unwrap();
    let token = "[[token]]\nuser = \"1\"\ntoken = ";
    let cases = [
        ("[[user]]\nid = \"1\"\n", 1, "missing field"),
        ("[[org]]\nid = \"a\"\nnmae = \"x\"\n", 3, "unknown field"),
        ("[[org]]\nid = \"a\"\n[[org]]\nid = \"a\"\n", 4, "twice"),
        ("[[org]]\nid = \"\"\n", 2, "empty"),
        (
            "[[user]]\nid = \"1\"\norg = \"a\"\n",
            3,
            "no such organisation",
        ),
        (
            "[[org]]\nid = \"a\"\n[[user]]\nid = \"1\"\norg = \"a\"\nkind = \"robot\"\n",
            6,
            "human or machine",
        ),
        (
            "[[org]]\nid = \"a\"\n[[user]]\nid = \"1\"\norg = \"a\"\nstate = \"removed\"\n",
            6,
            "active, initial",
        ),
        (
            "[[org]]\nid = \"a\"\n[org.password_complexity]\nmin_length = 0\nuppercase = true\n\
             lowercase = true\nnumber = true\nsymbol = true\n",
            3,
            "between 1 and 72",
        ),
        (&format!("{token}4711\n"), 3, "expected a string"),
        (
            &format!("{token}\"secret-4711\"\n{token}\"secret-4711\"\n"),
            6,
            "twice",
        ),
        (&format!("{token}secret-4711\n"), 3, "TOML"),
        (
            "[[member]]\nuser = \"1\"\norg = \"b\"\nroles = []\n",
            3,
            "no such organisation",
        ),
        (
            "[[org]]\nid = \"b\"\n[[member]]\nuser = \"1\"\norg = \"b\"\nroles = [\"ORG_ONWER\"]\n",
            6,
            "no role \"ORG_ONWER\"",
        ),
    ];
    for (text, line, problem) in cases {
        std::fs::write(directory.path().join("bad.toml"), text).unwrap();
        let output = run(
            directory.path(),
            &["--bootstrap", "bad.toml", "--store", "memory:"],
        )
        .await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}: {error}");
        assert!(
            error.contains(&format!("bad.toml:{line}: ")),
            "{text}: {error}"
        );
        assert!(error.contains(problem), "{text}: {error}");
        assert!(!error.contains("4711"), "no token in: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_the_file_never_touches_an_existing_user() {
    let mut server = Server::start().await;
    let set = Ask::new("42", ADMIN)
        .through(Door::Rest, server.address)
        .await;
    assert_eq!(set.sequence, Some(2));
    let before = server.inspect(ORG, "42").await;
    let changed = BOOTSTRAP.replace("state = \"active\"", "state = \"locked\"");
    std::fs::write(server.directory().join("bootstrap.toml"), changed).unwrap();
    server.kill_and_restart().await;
    assert_eq!(server.inspect(ORG, "42").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_apply_it_at_once() {
    let first = Server::start().await;
    let others = tokio::join!(
        first.beside(),
        first.beside(),
        first.beside(),
        first.beside()
    );
    for user in ["42", "initial", "locked", "inactive", "machine"] {
        let (exit, lines) = first.inspect(ORG, user).await;
        assert_eq!((exit, lines.len()), (0, 2), "one event for {user}");
    }
    drop(others);
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_exits_1_for_what_is_not_there_or_does_not_agree() {
    let server = Server::start().await;
    assert_eq!(server.inspect(ORG, "absent").await.0, 1);
    let directory = TempDir::new().unwrap();
    let arguments = [
        "inspect",
        "--store",
        "sqlite:absent.db",
        "--org",
        ORG,
        "--user",
        "42",
    ];
    let output = run(directory.path(), &arguments).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        !directory.path().join("absent.db").exists(),
        "looking creates nothing"
    );

    let (exit, lines) = server.inspect(ORG, "42").await;
    assert_eq!(exit, 0);
    for key in [
        "sequence",
        "version",
        "state",
        "change_date",
        "failures",
        "type",
        "operation_id",
        "hash_sha256",
    ] {
        assert!(lines[1].get(key).is_some(), "{key} in {}", lines[1]);
    }
    let arguments = [
        "inspect",
        "--store",
        "sqlite:portcullis.db",
        "--org",
        ORG,
        "--user",
        "42",
    ];
    Ask::new("42", ADMIN)
        .through(Door::Rest, server.address)
        .await;
    let output = run(server.directory(), &arguments).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        !text.contains("$argon2id"),
        "the hash is shown on request only"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_drain_and_exit_0() {
    for signal in ["TERM", "INT"] {
        let options = Options {
            argon2: "m=65536,t=3,p=1",
            ..Default::default()
        };
        let mut server = Server::with(options).await;
        let ask = Ask::new("42", ADMIN);
        let address = server.address;
        let in_flight = tokio::spawn(async move { ask.through(Door::Rest, address).await });
        while !server.log().contains("hash started") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let stopped = tokio::time::timeout(Duration::from_secs(10), server.stop(signal)).await;
        assert_eq!(stopped.unwrap().code(), Some(0), "{signal}");
        assert_eq!(
            in_flight.await.unwrap().code,
            0,
            "{signal}: what was in flight is answered"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hash_is_announced_and_logs_can_be_json() {
    let server = Server::start().await;
    Ask::new("42", ADMIN)
        .through(Door::Rest, server.address)
        .await;
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains("hash started"))
        .unwrap();
    assert!(
        line.contains("set") && line.contains("argon2id,m=8,t=1,p=1"),
        "{line}"
    );
    assert!(
        log.contains("too cheap"),
        "a warning about the parameters: {log}"
    );

    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("bootstrap.toml"), "nonsense = 1").unwrap();
    let arguments = [
        "--log-format",
        "json",
        "--argon2",
        "m=8,t=1,p=1",
        "--bootstrap",
        "bootstrap.toml",
    ];
    let output = run(directory.path(), &arguments).await;
    let error = String::from_utf8(output.stderr).unwrap();
    let first = error.lines().next().unwrap();
    assert!(
        serde_json::from_str::<serde_json::Value>(first).is_ok(),
        "{first}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_store_serves_as_well() {
    let server = Server::with(Options {
        store: "memory:".to_owned(),
        ..Default::default()
    })
    .await;
    let headers = [("authorization", "Bearer token-admin")];
    let body = r#"{"password":"Secret-1234"}"#;
    let path = "/management/v1/users/42/password";
    assert_eq!(post(server.address, path, &headers, body).await.status, 200);
}
