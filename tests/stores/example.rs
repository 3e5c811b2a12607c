//! The example that makes the same calls against any store.

use portcullis_tests::example;
use tempfile::TempDir;
use tokio::process::Command;

use crate::store::Store;

on_stores! {
    it_runs_twice: sqlite postgres redis cluster sentinel;
}

async fn it_runs_twice(store: Store) {
    let directory = TempDir::new().unwrap();
    let (program, url) = (example("stores"), store.url().await);
    // The second time the store is there already, and has another spelling where there is one.
    for url in [url.clone(), url.replacen("postgres:", "postgresql:", 1)] {
        let mut command = Command::new(&program);
        let output = command.arg(&url).current_dir(directory.path()).output();
        let output = output.await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{url}: {said}");
        assert_eq!(
            said.lines().count(),
            3,
            "a creation and two changes: {said}"
        );
    }
    let output = Command::new(&program).arg("nonsense://").output();
    assert!(!output.await.unwrap().status.success());
}
