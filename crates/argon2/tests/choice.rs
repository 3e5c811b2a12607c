//! The kernel of a process, which is chosen once: each case is a process of its own.
#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::{env, process::Command};

use portcullis_argon2::{Arena, Argon2, Error, Kernel, Params, Variant, Version};

/// What `in_use` says where the variable has this value.
fn chosen(variable: Option<&str>, case: &str) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", case]);
    match variable {
        Some(value) => command.env("PORTCULLIS_ARGON2", value),
        None => command.env_remove("PORTCULLIS_ARGON2"),
    };
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let answer = text.lines().find_map(|line| line.strip_prefix("answer: "));
    answer.unwrap().to_owned()
}

#[test]
#[ignore = "a part of the other tests"]
fn tells() {
    // The harness has not ended its own line yet.
    println!("\nanswer: {:?}", Kernel::in_use());
    let params = Params::new(8, 1, 1).unwrap();
    let argon2 = Argon2::new(Variant::Argon2id, Version::V0x13, params);
    let result = argon2.hash_into(&mut Arena::new(), b"", b"somesalt", &mut [0; 32]);
    // A kernel that cannot be had is not replaced by another one.
    assert_eq!(result, Kernel::in_use().map(|_| ()).map_err(Error::from));
}

#[test]
#[ignore = "a part of the other tests"]
fn forces() {
    Kernel::Portable.force().unwrap();
    println!("\nanswer: {:?}", Kernel::in_use());
    Kernel::Portable.force().unwrap();
    for kernel in Kernel::available() {
        assert_eq!(
            kernel.force().is_ok(),
            kernel == Kernel::Portable,
            "{kernel}"
        );
    }
}

#[test]
fn the_best_kernel_is_the_default() {
    assert_eq!(
        chosen(None, "tells"),
        format!("Ok({:?})", Kernel::detected())
    );
}

#[test]
fn the_variable_chooses() {
    for (name, kernel) in [
        ("portable", Kernel::Portable),
        ("avx2", Kernel::Avx2),
        ("avx512", Kernel::Avx512),
    ] {
        let expected = kernel.check().map(|()| kernel);
        assert_eq!(chosen(Some(name), "tells"), format!("{expected:?}"));
    }
    for name in ["", "AVX2", "fastest"] {
        assert_eq!(chosen(Some(name), "tells"), "Err(Unknown)");
    }
}

#[test]
fn the_program_chooses_before_the_variable() {
    assert_eq!(chosen(None, "forces"), "Ok(Portable)");
    assert_eq!(chosen(Some("avx2"), "forces"), "Ok(Portable)");
}
